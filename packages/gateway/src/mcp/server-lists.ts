import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { ListKind } from './types.ts';

/** How a list is asked for, where its items are, and which member of an item names it. */
export const LISTS: Record<ListKind, { method: string; items: string; key: string }> = {
  tools: { method: 'tools/list', items: 'tools', key: 'name' },
  resources: { method: 'resources/list', items: 'resources', key: 'uri' },
  resourceTemplates: { method: 'resources/templates/list', items: 'resourceTemplates', key: 'uriTemplate' },
  prompts: { method: 'prompts/list', items: 'prompts', key: 'name' },
};

/**
 * One page of a list: its items as they came, and the cursor of the next page (MCP26-24: `""` is a cursor).
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR
 */
export function readPage(kind: ListKind, result: JsonObject): { items: JsonValue[]; nextCursor: string | null } {
  const items = member(result, LISTS[kind].items);
  const cursor = member(result, 'nextCursor') ?? null;
  if (!Array.isArray(items)) throw bad(`${LISTS[kind].items} is not a list`);
  if (cursor !== null && typeof cursor !== 'string') throw bad('nextCursor is not a string');
  return { items, nextCursor: cursor };
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}
