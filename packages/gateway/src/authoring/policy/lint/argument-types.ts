import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';

/** What an approved input schema says of an argument. */
export interface ArgumentType {
  /** JSON types that it may have, `null` aside; null: any. */
  types: ReadonlySet<string> | null;
  /** The values that it is limited to; null: it is not. */
  values: readonly JsonValue[] | null;
}

const ANYTHING: ArgumentType = { types: null, values: null };

/** The argument at `path` inside `schema`; null where the schema does not describe it. */
export function argumentAt(schema: JsonObject, path: readonly string[]): ArgumentType | null {
  const [name, ...rest] = path;
  if (name === undefined) return typeOf(schema);
  const properties = member(schema, 'properties');
  if (!isObject(properties) || Object.keys(properties).length === 0) {
    // A schema that describes no member admits all, unless it closes itself.
    return member(schema, 'additionalProperties') === false ? null : ANYTHING;
  }
  const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
  if (property === undefined) return null;
  if (!isObject(property)) return property === true ? ANYTHING : null;
  return argumentAt(property, rest);
}

function typeOf(schema: JsonObject): ArgumentType {
  const alternatives = member(schema, 'anyOf') ?? member(schema, 'oneOf');
  if (Array.isArray(alternatives))
    return eitherOf(alternatives.map((each) => (isObject(each) ? typeOf(each) : ANYTHING)));
  if (['$ref', 'allOf', 'not', 'if'].some((key) => Object.hasOwn(schema, key))) return ANYTHING;
  const values = valuesOf(schema);
  const type = member(schema, 'type');
  const names = type === undefined ? values?.map(jsonType) : [type].flat();
  if (names === undefined || !names.every((name) => typeof name === 'string')) return { types: null, values };
  return { types: new Set(names.filter((name) => name !== 'null')), values };
}

function eitherOf(all: readonly ArgumentType[]): ArgumentType {
  const types = all.every(({ types }) => types !== null)
    ? new Set(all.flatMap(({ types }) => [...(types ?? [])]))
    : null;
  const values = all.every(({ values }) => values !== null) ? all.flatMap(({ values }) => values ?? []) : null;
  return { types, values };
}

function valuesOf(schema: JsonObject): readonly JsonValue[] | null {
  const listed = member(schema, 'enum');
  if (Array.isArray(listed)) return listed;
  const constant = member(schema, 'const');
  return constant === undefined ? null : [constant];
}

function jsonType(value: JsonValue): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (isObject(value)) return 'object';
  return typeof value === 'object' ? 'number' : typeof value;
}
