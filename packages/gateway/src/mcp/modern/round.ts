import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { Round } from '../types.ts';

/** MCP26-28: only these are answered with `input_required`, so only these come back. */
const WITH_ROUNDS = new Set(['tools/call', 'resources/read', 'prompts/get']);
/** Requests that one interim answer may bring, and so responses that come back. */
const MAX_RESPONSES = 64;
const MAX_STATE = 262_144;

/**
 * What a request brings back of an earlier round; null when it brings nothing, or cannot.
 * @throws GatewayError INVALID_PARAMS
 */
export function readRound(method: string, params: JsonObject): Round | null {
  const state = member(params, 'requestState') ?? null;
  const given = Object.hasOwn(params, 'inputResponses') ? member(params, 'inputResponses') : null;
  if (!WITH_ROUNDS.has(method) || (state === null && !Object.hasOwn(params, 'inputResponses'))) return null;
  if (state !== null && (typeof state !== 'string' || state.length > MAX_STATE)) {
    throw new GatewayError('INVALID_PARAMS', 'requestState must be a string of ours');
  }
  return { responses: Object.hasOwn(params, 'inputResponses') ? readResponses(given) : {}, state };
}

/** @throws GatewayError INVALID_PARAMS */
export function readResponses(value: JsonValue | undefined): JsonObject {
  if (!isObject(value)) throw new GatewayError('INVALID_PARAMS', 'inputResponses must be an object');
  const responses = Object.values(value);
  if (responses.length > MAX_RESPONSES || !responses.every((response) => isObject(response))) {
    throw new GatewayError('INVALID_PARAMS', `inputResponses must be at most ${MAX_RESPONSES} objects`);
  }
  return value;
}
