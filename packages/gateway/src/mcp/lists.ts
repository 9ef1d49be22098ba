/** The lists that a client can ask for, in every revision. */
import { type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { ChangeKind, ListKind, ListPage, Offer } from './types.ts';

const KINDS: ReadonlyMap<string, ListKind> = new Map([
  ['tools/list', 'tools'],
  ['resources/list', 'resources'],
  ['resources/templates/list', 'resourceTemplates'],
  ['prompts/list', 'prompts'],
]);

/** What `method` lists; null when it lists nothing. */
export function listedBy(method: string): ListKind | null {
  return KINDS.get(method) ?? null;
}

/** Whether a caller with this offer has such a list: without the capability there is no such method (MCP26-44, MCP25-18). */
export function isOffered(offer: Offer, kind: ListKind | ChangeKind): boolean {
  return offer[kind === 'resourceTemplates' ? 'resources' : kind];
}

/**
 * `""` is a cursor like any other (MCP26-24).
 * @throws GatewayError INVALID_PARAMS
 */
export function readCursor(params: JsonObject): string | null {
  const cursor = member(params, 'cursor') ?? null;
  if (cursor !== null && typeof cursor !== 'string') {
    throw new GatewayError('INVALID_PARAMS', 'cursor must be a string');
  }
  return cursor;
}

/** The members of a list result that every revision has. */
export function listResult(kind: ListKind, { items, nextCursor }: ListPage): JsonObject {
  return { [kind]: items, ...(nextCursor === null ? {} : { nextCursor }) };
}

export function listChanged(kind: ChangeKind): string {
  return `notifications/${kind}/list_changed`;
}
