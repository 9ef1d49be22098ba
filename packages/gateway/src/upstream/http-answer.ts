import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { readResult } from '../mcp/server-results.ts';
import type { PostAnswer } from './http-post.ts';

/** A proxy in between speaks: whether the server ran the call is not known. */
const PROXY_STATUS = new Set([502, 503, 504]);

export const isRedirect = (status: number): boolean => status >= 300 && status < 400;

/**
 * The result that an answer carries.
 * @throws GatewayError UPSTREAM_TOOL_ERROR, OUTCOME_UNKNOWN or UPSTREAM_PROTOCOL_ERROR when it carries none
 */
export function resultOf(answer: PostAnswer): JsonObject {
  if (answer.response !== null) return readResult(answer.response);
  if (PROXY_STATUS.has(answer.status)) {
    throw new GatewayError('OUTCOME_UNKNOWN', `HTTP ${answer.status} on the way to the server`);
  }
  const detail = isRedirect(answer.status) ? 'with a redirect, which is not followed' : `with HTTP ${answer.status}`;
  throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', `the server answered ${detail}`);
}
