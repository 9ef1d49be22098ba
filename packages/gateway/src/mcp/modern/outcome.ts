/** What a result of 2026-07-28 means: the answer, a request for more, or the handle of a task. */
import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { UpstreamResult } from '../../upstream/types.ts';
import { type Ask, type ClientAbilities, readInputRequests } from '../asks.ts';
import { checkShape, completeResult } from '../server-results.ts';
import { SERVER_INFO_KEY } from './identity.ts';
import { checkTask, checkTaskState } from './task-shape.ts';

/** MCP26-28: only these may be answered with a request for more. */
const MAY_ASK = new Set(['tools/call', 'prompts/get', 'resources/read']);
const MAX_ASKS = 32;

/** @throws GatewayError UPSTREAM_PROTOCOL_ERROR */
export function readOutcome(
  sent: { method: string; params: JsonObject },
  result: JsonObject,
  offer: ClientAbilities,
): UpstreamResult {
  const complete = completeResult(result);
  if (complete !== null) return { kind: 'complete', result: checked(sent, complete) };
  const type = member(result, 'resultType');
  if (type === 'input_required' && MAY_ASK.has(sent.method)) return readInputRequired(result);
  if (type === 'task' && sent.method === 'tools/call' && offer.tasks) return readTask(result);
  throw bad('the result is of a type that the request did not allow');
}

function checked({ method, params }: { method: string; params: JsonObject }, result: JsonObject): JsonObject {
  checkShape(method, result);
  if (method === 'tasks/get') checkTaskState(result, params, (asks) => void readAsks(asks));
  const answer = withoutIdentity(result);
  // A task's `ttlMs` is its own; elsewhere it says how long the result may be kept, which the gateway does not.
  if (method.startsWith('tasks/')) return answer;
  const { ttlMs: _, cacheScope: __, ...rest } = answer;
  return rest;
}

/** Who answers the gateway is between the two; it is no part of what the server says to an agent. */
function withoutIdentity(result: JsonObject): JsonObject {
  const meta = member(result, '_meta');
  if (!isObject(meta) || !Object.hasOwn(meta, SERVER_INFO_KEY)) return result;
  const { [SERVER_INFO_KEY]: _, ...rest } = meta;
  const { _meta: __, ...plain } = result;
  return Object.keys(rest).length === 0 ? plain : { ...result, _meta: rest };
}

function readInputRequired(result: JsonObject): UpstreamResult {
  const asks = readAsks(member(result, 'inputRequests') ?? {});
  const state = member(result, 'requestState') ?? null;
  if (state !== null && typeof state !== 'string') throw bad('requestState is not a string');
  if (state === null && Object.keys(asks).length === 0) throw bad('the server wants more, and does not say what');
  return { kind: 'input_required', asks, state };
}

/** MCP26-28: each must be something that a server may ask for at all; whether this client may be asked is decided like any request. */
function readAsks(value: JsonValue): Record<string, Ask> {
  const asks = readInputRequests(value);
  if (asks === null) throw bad('inputRequests holds what is no request that a server may make');
  if (asks.size > MAX_ASKS) throw bad(`more than ${MAX_ASKS} input requests`);
  // Keys are the server's: a prototype must not swallow one.
  return Object.fromEntries(asks);
}

function readTask(result: JsonObject): UpstreamResult {
  checkTask(result);
  const { resultType: _, ...task } = result;
  return { kind: 'task', result: withoutIdentity(task) };
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}
