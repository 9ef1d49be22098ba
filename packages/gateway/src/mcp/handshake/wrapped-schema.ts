/**
 * Up to 2025-11-25 a tool's structured content is an object. A schema of anything else describes the one member `result` of such
 * an object, and its references to itself lead there.
 */
import { isObject, type JsonObject, type JsonValue, member, setMember } from '@cmcp/evidence';

/** Keywords whose value maps names to schemas. */
const MAPS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
/** Keywords that hold data, never schemas. */
const DATA = new Set(['enum', 'const', 'default', 'examples']);
const REFERENCES = new Set(['$ref', '$dynamicRef']);
const PLACE = '#/properties/result';

export function describesObject(schema: JsonObject): boolean {
  return member(schema, 'type') === 'object';
}

export function wrapSchema(schema: JsonObject): JsonObject {
  const { $schema, ...described } = schema;
  return {
    ...($schema === undefined ? {} : { $schema }),
    type: 'object',
    properties: { result: rebased(described) },
    required: ['result'],
  };
}

/** The schema with references from its root leading to where it is now. */
function rebased(schema: JsonValue): JsonValue {
  if (Array.isArray(schema)) return schema.map(rebased);
  // What has an identity of its own is its own root.
  if (!isObject(schema) || typeof member(schema, '$id') === 'string') return schema;
  const moved: JsonObject = {};
  for (const [keyword, value] of Object.entries(schema)) setMember(moved, keyword, rebasedKeyword(keyword, value));
  return moved;
}

function rebasedKeyword(keyword: string, value: JsonValue): JsonValue {
  if (REFERENCES.has(keyword) && typeof value === 'string') return rebasedReference(value);
  if (DATA.has(keyword)) return value;
  if (!MAPS.has(keyword) || !isObject(value)) return rebased(value);
  const moved: JsonObject = {};
  for (const [name, child] of Object.entries(value)) setMember(moved, name, rebased(child));
  return moved;
}

/** Pointers lead from the root; anchors are names, which stay what they are. */
function rebasedReference(reference: string): string {
  return reference === '#' || reference.startsWith('#/') ? `${PLACE}${reference.slice(1)}` : reference;
}
