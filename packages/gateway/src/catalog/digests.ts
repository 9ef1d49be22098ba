import { canonicalSorted, digest, isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { ToolPin } from './types.ts';

/** `sha256:` over the canonical form that catalogs and definitions hash with (wire-formats 6.2, contracts section 8). */
export function canonicalDigest(value: JsonValue): string {
  return digest(canonicalSorted(value));
}

/** Pin over every member that a server advertises, the name included. */
export function wholePin(definition: JsonObject): ToolPin {
  return { kind: 'whole', digest: canonicalDigest(definition) };
}

/**
 * The reference's drift digest (wire-formats 6.2): description and schemas only. Absent and falsy schemas count as it counts
 * them; anything that is not what an approved definition can hold stays as it is, and so never compares equal.
 */
export function referencePin(description: JsonValue, input: JsonValue, output: JsonValue): ToolPin {
  const value = { description: description ?? '', input_schema: input ?? {}, output_schema: output };
  return { kind: 'reference', digest: canonicalDigest(value) };
}

/** The members of a live definition that the reference compares, under either spelling. */
export function comparedByReference(live: JsonObject): { description: JsonValue; input: JsonValue; output: JsonValue } {
  return {
    description: member(live, 'description') ?? '',
    input: member(live, 'inputSchema') ?? member(live, 'input_schema') ?? {},
    output: member(live, 'outputSchema') ?? member(live, 'output_schema') ?? null,
  };
}

/** The object at `key`, or an empty one: schemas are only read where they are objects. */
export function objectAt(value: JsonObject, key: string): JsonObject {
  const found = member(value, key);
  return isObject(found) ? found : {};
}
