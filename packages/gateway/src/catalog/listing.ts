import { createHash } from 'node:crypto';
import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { ListKind, ListPage } from '../mcp/types.ts';
import type { Catalog, CatalogPrompt, CatalogResource, CatalogTool } from './types.ts';

/** What a list can hold. */
export type Listable = CatalogTool | CatalogResource | CatalogPrompt;

/** Items on one page; the order is the catalog's, so it is the same for every connection (MCP26-22). */
const PAGE_SIZE = 200;

/** What an item is told apart by, and how agents are shown it. */
interface Shown {
  key: string;
  definition: JsonObject;
}

/**
 * A page of approved definitions under their exposed names and URIs, of those that are `visible` to the caller (LIFE-10). A
 * cursor names its catalog, its kind and everything that its list holds: one from before an activation, of another kind or
 * of a caller who sees other things, or an invented one, is refused with INVALID_PARAMS instead of skipping items (MCP26-24).
 */
export function listPage(
  catalog: Catalog,
  kind: ListKind,
  visible: (item: Listable) => boolean,
  cursor: string | null,
): ListPage {
  const items = shown(catalog, kind, visible);
  const cursors = new Cursors([catalog.hash, kind, ...items.map(({ key }) => key)]);
  const start = cursor === null ? 0 : position(items.length, cursors, cursor);
  const next = start + PAGE_SIZE;
  return {
    items: items.slice(start, next).map(({ definition }) => definition),
    nextCursor: next < items.length ? cursors.at(next) : null,
  };
}

function shown(catalog: Catalog, kind: ListKind, visible: (item: Listable) => boolean): Shown[] {
  if (kind === 'tools') return catalog.tools.filter(visible).map(named);
  if (kind === 'prompts') return catalog.prompts.filter(visible).map(named);
  const wanted = kind === 'resources' ? 'uri' : 'template';
  return catalog.resources
    .filter((resource) => resource.pattern.kind === wanted && visible(resource))
    .map(({ name, definition }) => ({ key: name, definition }));
}

function named({ exposedName, definition }: CatalogTool | CatalogPrompt): Shown {
  return { key: exposedName, definition: { ...definition, name: exposedName } };
}

function position(length: number, cursors: Cursors, cursor: string): number {
  for (let start = PAGE_SIZE; start < length; start += PAGE_SIZE) if (cursor === cursors.at(start)) return start;
  throw new GatewayError('INVALID_PARAMS', 'unknown cursor');
}

/** The cursors of one list. */
class Cursors {
  readonly #list: Buffer;

  constructor(names: readonly string[]) {
    this.#list = createHash('sha256').update(JSON.stringify(names)).digest();
  }

  at(start: number): string {
    return createHash('sha256').update(this.#list).update(String(start)).digest('base64url').slice(0, 22);
  }
}
