import { canonicalSorted, isObject, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { type Ask, askOf } from '../mcp/asks.ts';
import type { Asks } from './asks.ts';
import type { TaskHandles } from './task-handles.ts';

/**
 * What a task waits for, in the answer to `tasks/get`, is asked of the client like anything else: each question is decided once, however
 * often the client looks.
 *
 * @throws GatewayError ASK_REFUSED, UPSTREAM_PROTOCOL_ERROR
 */
export async function governTaskAsks(
  tasks: TaskHandles,
  asks: Asks,
  handle: string,
  result: JsonObject,
): Promise<void> {
  const given = member(result, 'inputRequests') ?? {};
  if (!isObject(given)) throw malformed();
  const found = new Map<string, Ask>();
  for (const [key, request] of Object.entries(given)) {
    const ask = isObject(request) ? askOf(member(request, 'method'), member(request, 'params')) : null;
    if (ask === null) throw malformed();
    if (!isSame(tasks.asked(handle, key), ask)) await asks.permit(ask);
    found.set(key, ask);
  }
  tasks.remember(handle, found);
}

function isSame(known: Ask | null, ask: Ask): boolean {
  return known !== null && known.kind === ask.kind && canonicalSorted(known.params) === canonicalSorted(ask.params);
}

function malformed(): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', 'the task waits for something that is no request of a server');
}
