import { canonicalSorted, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { type Ask, readInputRequests } from '../mcp/asks.ts';
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
  const found = readInputRequests(member(result, 'inputRequests') ?? {});
  if (found === null) throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', 'a task waits for what no server may ask');
  for (const [key, ask] of found) if (!isSame(tasks.asked(handle, key), ask)) await asks.permit(ask);
  tasks.remember(handle, found);
}

function isSame(known: Ask | null, ask: Ask): boolean {
  return known !== null && known.kind === ask.kind && canonicalSorted(known.params) === canonicalSorted(ask.params);
}
