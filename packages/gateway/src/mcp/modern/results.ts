import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { GovernedRequest, Outcome } from '../types.ts';
import { IDENTITY } from './identity.ts';

/** How long a client may keep a list or discovery result, in milliseconds; what changed is refused meanwhile. */
const FRESH_MS = 60_000;

/** What is offered depends on the credential (MCP26-23). */
export function listed(result: JsonObject): JsonObject {
  return complete({ ...result, ttlMs: FRESH_MS, cacheScope: 'private' });
}

/** The result of a governed request. Each reading is decided anew, so nothing that was read is kept for the next. */
export function governed(
  method: GovernedRequest['method'],
  { type, result }: Extract<Outcome, { kind: 'result' }>,
): JsonObject {
  if (type !== 'complete') return { ...identified(result), resultType: type };
  return complete(method === 'resources/read' ? { ...result, ttlMs: 0, cacheScope: 'private' } : result);
}

/** MCP26-18 */
function complete(result: JsonObject): JsonObject {
  return { ...identified(result), resultType: 'complete' };
}

function identified(result: JsonObject): JsonObject {
  const meta = member(result, '_meta');
  return { ...result, _meta: { ...(isObject(meta) ? meta : {}), ...IDENTITY } };
}
