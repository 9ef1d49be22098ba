import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';

/** Keywords whose value is a schema. */
const SINGLE = [
  'additionalItems',
  'additionalProperties',
  'contains',
  'else',
  'if',
  'items',
  'not',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
];
/** Keywords whose value is a list of schemas; `items` is one up to draft-07. */
const LISTED = ['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems'];
/** Keywords whose value names schemas. In `dependencies` a list of names may stand for one. */
const NAMED = ['$defs', 'definitions', 'dependencies', 'dependentSchemas', 'patternProperties', 'properties'];

/** A schema within a schema. */
export interface Part {
  /** The way to it: the keyword, then the name or number, where there is one. */
  steps: readonly (string | number)[];
  schema: JsonValue;
}

/** The schemas that stand directly in `schema`. Everything else in it is data. */
export function subschemas(schema: JsonObject): Part[] {
  return [
    ...SINGLE.flatMap((keyword) => {
      const value = member(schema, keyword);
      return value === undefined || Array.isArray(value) ? [] : [{ steps: [keyword], schema: value }];
    }),
    ...LISTED.flatMap((keyword) => {
      const value = member(schema, keyword);
      return Array.isArray(value) ? value.map((item, index) => ({ steps: [keyword, index], schema: item })) : [];
    }),
    ...NAMED.flatMap((keyword) => {
      const value = member(schema, keyword);
      if (!isObject(value)) return [];
      const named = Object.entries(value).filter(([, item]) => keyword !== 'dependencies' || !Array.isArray(item));
      return named.map(([name, item]) => ({ steps: [keyword, name], schema: item }));
    }),
  ];
}

/** Keywords whose schemas speak of the very value that the schema speaks of. */
const IN_PLACE = new Set(['allOf', 'anyOf', 'dependencies', 'dependentSchemas', 'else', 'if', 'not', 'oneOf', 'then']);

export function isInPlace({ steps }: Part): boolean {
  return IN_PLACE.has(String(steps[0]));
}

/** Whether it forbids members that nothing names. */
export function closes(schema: JsonObject): boolean {
  return member(schema, 'additionalProperties') === false || member(schema, 'unevaluatedProperties') === false;
}
