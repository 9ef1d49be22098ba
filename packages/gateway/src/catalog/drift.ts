import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { digestOrNull, referenceView } from './digests.ts';
import type { CatalogPrompt, CatalogTool } from './types.ts';

/** What a server advertises a definition of that it is held to. */
export type Pinned = CatalogTool | CatalogPrompt;

export type PinComparison = { kind: 'same' } | { kind: 'definition_changed' | 'withdrawn'; classification: string };

/** Members that a classification may name. Other names come from the server and could say anything. */
const NAMED_MEMBERS: ReadonlyMap<string, string> = new Map([
  ['_meta', '_meta'],
  ['annotations', 'annotations'],
  ['arguments', 'arguments'],
  ['description', 'description'],
  ['execution', 'execution'],
  ['icons', 'icons'],
  ['inputSchema', 'inputSchema'],
  ['input_schema', 'inputSchema'],
  ['name', 'name'],
  ['outputSchema', 'outputSchema'],
  ['output_schema', 'outputSchema'],
  ['title', 'title'],
]);

/**
 * Holds what a live server advertises to what was approved: one changed byte in any member is a change (G16, ATK-02). For
 * the reference's form, which approves description and schemas only, those are compared (wire-formats 6.2).
 * `classification` names the changed members, sorted; it is printable ASCII whatever the server sends.
 */
export function comparePin(item: Pinned, live: JsonObject | undefined): PinComparison {
  if (live === undefined) return { kind: 'withdrawn', classification: 'withdrawn' };
  return item.pin.kind === 'whole' ? compareWhole(item, live) : compareReference(item, live);
}

function compareWhole(item: Pinned, live: JsonObject): PinComparison {
  const advertised = withName(item, live);
  if (digestOrNull(advertised) === item.pin.digest) return { kind: 'same' };
  return changed(changedMembers(withName(item, item.definition), advertised));
}

function compareReference(item: Pinned, live: JsonObject): PinComparison {
  const advertised = referenceView(live);
  if (digestOrNull(advertised) === item.pin.digest) return { kind: 'same' };
  return changed(changedMembers(referenceView(item.definition), advertised));
}

/** A definition without its name is the listing's entry for that name; another name in it stays and is a change. */
function withName(item: Pinned, definition: JsonObject): JsonObject {
  return Object.hasOwn(definition, 'name') ? definition : { ...definition, name: item.upstreamName };
}

function changedMembers(approved: JsonObject, live: JsonObject): string[] {
  const keys = new Set([...Object.keys(approved), ...Object.keys(live)]);
  return [...keys].filter((key) => !equal(member(approved, key), member(live, key)));
}

function equal(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const digest = digestOrNull(a);
  return digest !== null && digest === digestOrNull(b);
}

function changed(members: string[]): PinComparison {
  const names = new Set(members.map((key) => NAMED_MEMBERS.get(key) ?? 'other'));
  return { kind: 'definition_changed', classification: [...names].sort().join(',') };
}
