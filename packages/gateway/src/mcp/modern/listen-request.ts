/** `subscriptions/listen`: one stream for everything that a server is asked to announce (MCP26-30). */
import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { Announcing, ServerMessage, Wanted } from '../client.ts';
import type { ChangeKind } from '../types.ts';

const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
const STREAM_KEY = 'io.modelcontextprotocol/subscriptionId';

const FILTERS: readonly [ChangeKind, string][] = [
  ['tools', 'toolsListChanged'],
  ['resources', 'resourcesListChanged'],
  ['prompts', 'promptsListChanged'],
];

export const listening: Announcing = {
  by: 'listening',
  method: 'subscriptions/listen',
  params: (wanted) => ({ notifications: filterOf(wanted) }),
  acknowledged,
  streamOf,
};

function filterOf({ kinds, uris }: Wanted): JsonObject {
  const filter: JsonObject = {};
  for (const [kind, name] of FILTERS) if (kinds.includes(kind)) filter[name] = true;
  if (uris.length > 0) filter.resourceSubscriptions = uris;
  return filter;
}

function acknowledged(message: ServerMessage, id: string): Wanted | null {
  if (message.kind !== 'notification' || message.method !== ACKNOWLEDGED) return null;
  const filter = member(message.params, 'notifications');
  if (streamOf(message.params) !== id || !isObject(filter)) return null;
  const uris = member(filter, 'resourceSubscriptions');
  return {
    kinds: FILTERS.filter(([, name]) => member(filter, name) === true).map(([kind]) => kind),
    uris: Array.isArray(uris) ? uris.filter((uri) => typeof uri === 'string') : [],
  };
}

function streamOf(params: JsonObject): string | null {
  const meta = member(params, '_meta');
  const id = isObject(meta) ? member(meta, STREAM_KEY) : undefined;
  return typeof id === 'string' ? id : null;
}
