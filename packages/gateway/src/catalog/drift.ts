import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { digestOrNull, referenceView } from './digests.ts';
import type { CatalogTool } from './types.ts';

export type PinComparison = { kind: 'same' } | { kind: 'definition_changed' | 'withdrawn'; classification: string };

/** Members that a classification may name. Other names come from the server and could say anything. */
const NAMED_MEMBERS: ReadonlyMap<string, string> = new Map([
  ['_meta', '_meta'],
  ['annotations', 'annotations'],
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
export function comparePin(tool: CatalogTool, live: JsonObject | undefined): PinComparison {
  if (live === undefined) return { kind: 'withdrawn', classification: 'withdrawn' };
  return tool.pin.kind === 'whole' ? compareWhole(tool, live) : compareReference(tool, live);
}

function compareWhole(tool: CatalogTool, live: JsonObject): PinComparison {
  const advertised = withName(tool, live);
  if (digestOrNull(advertised) === tool.pin.digest) return { kind: 'same' };
  return changed(changedMembers(withName(tool, tool.definition), advertised));
}

function compareReference(tool: CatalogTool, live: JsonObject): PinComparison {
  const advertised = referenceView(live);
  if (digestOrNull(advertised) === tool.pin.digest) return { kind: 'same' };
  return changed(changedMembers(referenceView(tool.definition), advertised));
}

/** A definition without its name is the listing's entry for that name; another name in it stays and is a change. */
function withName(tool: CatalogTool, definition: JsonObject): JsonObject {
  return Object.hasOwn(definition, 'name') ? definition : { ...definition, name: tool.upstreamName };
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
