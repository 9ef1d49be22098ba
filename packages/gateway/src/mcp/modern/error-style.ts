import { type ErrorStyle, registryStyle, STANDARD_CODES } from '../reply.ts';

/** Not found, of a server of an earlier revision; since then it is an invalid parameter. */
const LEGACY_NOT_FOUND = -32002;
const INVALID_PARAMS = -32602;
/** The one code of the protocol that says something of the request itself; the others are about how it was sent to the server. */
const MISSING_CAPABILITY = -32021;

/** 2026-07-28 uses the registry as it stands, and reserves most of what JSON-RPC leaves to servers (MCP26-19). */
export const modernStyle: ErrorStyle = {
  ...registryStyle,
  passOn(rpc) {
    if (rpc === LEGACY_NOT_FOUND) return INVALID_PARAMS;
    const reserved = rpc >= -32768 && rpc < -32019;
    return reserved && rpc !== MISSING_CAPABILITY && !STANDARD_CODES.has(rpc) ? null : rpc;
  },
};
