import { digest } from '../crypto/sha256.ts';
import { byCodePoint, canonicalSorted } from '../json/canonical.ts';
import { isObject, type JsonObject, type JsonValue, member } from '../json/value.ts';

/**
 * `sha256:…` of a catalog: the reference's array sorted by tool name (wire-formats section 6.2), or ours with each array sorted
 * by its key (contracts section 8). Nothing is filled in.
 *
 * @throws JsonError for a value without canonical form
 */
export function catalogHash(catalog: JsonValue[] | JsonObject): string {
  if (Array.isArray(catalog)) return digest(canonicalSorted(sortedBy(catalog, 'tool_name')));
  const lists = {
    servers: sortedBy(member(catalog, 'servers'), 'id'),
    tools: sortedBy(member(catalog, 'tools'), 'name'),
  };
  return digest(
    canonicalSorted({ ...catalog, ...lists, ...named(catalog, 'resources'), ...named(catalog, 'prompts') }),
  );
}

/** A list that a catalog may be without: then there is nothing of it in the hash either. */
function named(catalog: JsonObject, key: string): JsonObject {
  const items = member(catalog, key);
  return Array.isArray(items) ? { [key]: sortedBy(items, 'name') } : {};
}

function sortedBy(items: JsonValue | undefined, key: string): JsonValue[] {
  const name = (item: JsonValue): string => String(isObject(item) ? member(item, key) : '');
  return Array.isArray(items) ? items.toSorted((a, b) => byCodePoint(name(a), name(b))) : [];
}
