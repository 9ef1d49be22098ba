import { type JsonObject, member } from '@cmcp/evidence';
import { errorMessage, type RequestId } from '@cmcp/gateway/client';
import type { ConnectFailure } from './failure.ts';

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;
const HEADER_MISMATCH = -32020;

/** The bridge's own answers: codes of JSON-RPC itself, which every revision knows. */
export function failureReply(id: RequestId, { reason, message }: ConnectFailure): JsonObject {
  return errorMessage(id, reason === 'unsendable' ? INVALID_PARAMS : INTERNAL_ERROR, `cmcp connect: ${message}`, {
    reason,
  });
}

export const busyReply = (id: RequestId): JsonObject =>
  errorMessage(id, INTERNAL_ERROR, 'cmcp connect: too many requests are in flight', { reason: 'busy' });

export const invalidReply = (id: RequestId | null, what: string): JsonObject =>
  errorMessage(id, INVALID_REQUEST, `cmcp connect: ${what}`, { reason: 'invalid_request' });

export const unreadableReply = (what: string): JsonObject =>
  errorMessage(null, PARSE_ERROR, `cmcp connect: ${what}`, { reason: 'parse_error' });

/** True for the answer of a gateway that misses headers which repeat arguments: it did nothing with the call. */
export function missesHeaders(response: JsonObject | null): boolean {
  const error = response === null ? undefined : member(response, 'error');
  return typeof error === 'object' && error !== null && 'code' in error && error.code === HEADER_MISMATCH;
}
