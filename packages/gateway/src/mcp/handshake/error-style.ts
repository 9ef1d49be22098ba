import { ERRORS, type ErrorCode } from '../../errors.ts';
import { type ErrorStyle, STANDARD_CODES } from '../reply.ts';

/** What these revisions have a code for besides those of JSON-RPC. */
const OWN: Partial<Record<ErrorCode, number>> = { RESOURCE_NOT_IN_CATALOG: -32002 };
/** Refusals that are answers: clients of these revisions read a JSON-RPC error only from a successful response. */
const IN_BAND: ReadonlySet<ErrorCode> = new Set(['METHOD_NOT_GOVERNED', 'CAPABILITY_REQUIRED']);
/** Asks the user to go to an address, which no policy has decided (MCP25-12). */
const URL_ELICITATION_REQUIRED = -32042;

/** The handshake revisions: our own codes become −32000 (contracts section 10). */
export const handshakeStyle: ErrorStyle = {
  rpc: (code) => OWN[code] ?? (STANDARD_CODES.has(ERRORS[code].rpc) ? ERRORS[code].rpc : -32000),
  status: (code) => (IN_BAND.has(code) ? 200 : ERRORS[code].status),
  passOn: (rpc) => (isLater(rpc) || rpc === URL_ELICITATION_REQUIRED ? null : rpc),
};

/** Codes that 2026-07-28 gave a meaning that older clients do not know. */
function isLater(rpc: number): boolean {
  return rpc <= -32020 && rpc >= -32022;
}
