import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { canonicalDigest, comparedByReference, referencePin, wholePin } from './digests.ts';
import type { CatalogTool } from './types.ts';

export type PinComparison = { kind: 'same' } | { kind: 'definition_changed' | 'withdrawn'; classification: string };

/** Members that a classification may name. Other names come from the server and could say anything. */
const NAMED_MEMBERS: readonly string[] = [
  '_meta',
  'annotations',
  'description',
  'execution',
  'icons',
  'inputSchema',
  'name',
  'outputSchema',
  'title',
];

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
  if (wholePin(advertised).digest === tool.pin.digest) return { kind: 'same' };
  return changed(changedMembers(withName(tool, tool.definition), advertised));
}

function compareReference(tool: CatalogTool, live: JsonObject): PinComparison {
  const { description, input, output } = comparedByReference(live);
  if (referencePin(description, input, output).digest === tool.pin.digest) return { kind: 'same' };
  const approved = comparedByReference(tool.definition);
  return changed(
    changedMembers(
      { description: approved.description, inputSchema: approved.input, outputSchema: approved.output },
      { description, inputSchema: input, outputSchema: output },
    ),
  );
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
  return canonicalDigest(a) === canonicalDigest(b);
}

function changed(members: string[]): PinComparison {
  const names = new Set(members.map((key) => (NAMED_MEMBERS.includes(key) ? key : 'other')));
  return { kind: 'definition_changed', classification: [...names].sort().join(',') };
}
