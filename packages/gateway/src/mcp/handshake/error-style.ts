import { ERRORS } from '../../errors.ts';
import type { ErrorStyle } from '../reply.ts';

/** Codes that JSON-RPC itself defines; these revisions know no others of ours. */
const STANDARD: ReadonlySet<number> = new Set([-32700, -32600, -32601, -32602, -32603]);

/**
 * The handshake revisions: our own codes become −32000 (contracts section 10). An ungoverned method is answered with 200,
 * because clients of these revisions read a JSON-RPC error only from a successful response.
 */
export const handshakeStyle: ErrorStyle = {
  rpc: (code) => (STANDARD.has(ERRORS[code].rpc) ? ERRORS[code].rpc : -32000),
  status: (code) => (code === 'METHOD_NOT_GOVERNED' ? 200 : ERRORS[code].status),
};
