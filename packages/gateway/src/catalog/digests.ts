import { canonicalSorted, digest, JsonError, type JsonObject, type JsonValue, member } from '@cmcp/evidence';

/**
 * `sha256:` over the canonical form that catalogs and definitions hash with (wire-formats 6.2, contracts section 8).
 *
 * @throws JsonError for a value without canonical form, such as a number beyond a double
 */
export function canonicalDigest(value: JsonValue): string {
  return digest(canonicalSorted(value));
}

/** As {@link canonicalDigest}, and null for a value without canonical form: such a value equals nothing. */
export function digestOrNull(value: JsonValue): string | null {
  try {
    return canonicalDigest(value);
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}

/**
 * What the reference's drift digest covers of a definition as servers advertise it (wire-formats 6.2), under either spelling.
 * Absent and null count as it counts them; a member of another type stays as it is and never compares equal.
 */
export function referenceView(definition: JsonObject): JsonObject {
  return {
    description: member(definition, 'description') ?? '',
    input_schema: member(definition, 'inputSchema') ?? member(definition, 'input_schema') ?? {},
    output_schema: member(definition, 'outputSchema') ?? member(definition, 'output_schema') ?? null,
  };
}
