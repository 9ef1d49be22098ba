import type { CedarValueJson, SchemaJson, Type } from '@cedar-policy/cedar-wasm/nodejs';
import { isObject, type JsonObject, member } from '@cmcp/evidence';

/** Attributes by name. */
export interface RecordShape {
  kind: 'record';
  attributes: ReadonlyMap<string, { shape: Shape; required: boolean }>;
}

/** A Cedar type with common types resolved, as far as building a request needs it. */
export type Shape =
  | RecordShape
  | { kind: 'set'; element: Shape }
  /** String, Long, Bool, an entity or an extension type. */
  | { kind: 'leaf'; type: string };

/** What is known of the members that a value may have: a JSON Schema, that all are known, or that none is. */
export type Described = JsonObject | 'fully' | null;

/** Resolves `type` of `schema`; common types are found by their qualified name. */
export function shapeOf(schema: SchemaJson<string>, type: Type<string>): Shape {
  if ('attributes' in type) {
    const attributes = Object.entries(type.attributes).map(([name, attribute]) => {
      const { required = true } = attribute;
      return [name, { shape: shapeOf(schema, attribute), required }] as const;
    });
    return { kind: 'record', attributes: new Map(attributes) };
  }
  if ('element' in type) return { kind: 'set', element: shapeOf(schema, type.element) };
  const split = type.type.lastIndexOf('::');
  const commonTypes = schema[split < 0 ? '' : type.type.slice(0, split)]?.commonTypes ?? {};
  const name = split < 0 ? type.type : type.type.slice(split + 2);
  const common = Object.hasOwn(commonTypes, name) ? commonTypes[name] : undefined;
  return common === undefined ? { kind: 'leaf', type: type.type } : shapeOf(schema, common);
}

/**
 * Leaves out the members that the Cedar schema has no attribute for, where `described` admits them: a validated policy
 * cannot read those, so no decision changes. A member that neither describes stays, and Cedar then refuses the request: an
 * argument that no one approved is not passed by a policy that cannot see it (OMCP-62).
 */
export function project(value: CedarValueJson, shape: Shape, described: Described): CedarValueJson {
  if (shape.kind === 'set' && Array.isArray(value)) {
    const items = isSchema(described) ? schemaAt(described, 'items') : described;
    return value.map((item) => project(item, shape.element, items));
  }
  return shape.kind === 'record' && isRecord(value) ? projectRecord(value, shape, described) : value;
}

/** As {@link project}, of a record. */
export function projectRecord(
  value: Record<string, CedarValueJson>,
  shape: RecordShape,
  described: Described,
): Record<string, CedarValueJson> {
  const kept: [string, CedarValueJson][] = [];
  for (const [key, item] of Object.entries(value)) {
    const attribute = shape.attributes.get(key);
    if (attribute !== undefined) kept.push([key, project(item, attribute.shape, propertyOf(described, key))]);
    else if (!admits(described, key)) kept.push([key, item]);
  }
  return Object.fromEntries(kept);
}

function isRecord(value: CedarValueJson): value is Record<string, CedarValueJson> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function propertyOf(described: Described, key: string): Described {
  if (!isSchema(described)) return described;
  const properties = schemaAt(described, 'properties');
  return properties === null ? null : schemaAt(properties, key);
}

function isSchema(described: Described): described is JsonObject {
  return typeof described === 'object' && described !== null;
}

function schemaAt(schema: JsonObject, key: string): JsonObject | null {
  const found = member(schema, key);
  return isObject(found) ? found : null;
}

/** Does the JSON Schema say, by name, pattern or openness, that an object may have this member? */
function admits(described: Described, key: string): boolean {
  if (!isSchema(described)) return described === 'fully';
  const properties = schemaAt(described, 'properties') ?? {};
  if (Object.hasOwn(properties, key) || Object.hasOwn(described, 'patternProperties')) return true;
  const additional = member(described, 'additionalProperties');
  if (additional !== undefined) return additional !== false;
  return Object.keys(properties).length === 0;
}

/** Whether {@link firstMismatch} knows every type in it. */
export function isPlain(shape: Shape): boolean {
  if (shape.kind === 'leaf') return PLAIN_TYPES.includes(shape.type);
  if (shape.kind === 'set') return isPlain(shape.element);
  return [...shape.attributes.values()].every(({ shape: inner }) => isPlain(inner));
}

const PLAIN_TYPES: readonly string[] = ['String', 'Long', 'Bool', 'Boolean'];

/** Where `value` first departs from `shape`, in words without any value or undeclared name; null where no place is found. */
export function firstMismatch(value: CedarValueJson | undefined, shape: Shape, path: string): string | null {
  if (shape.kind === 'leaf') return leafMatches(value, shape.type) ? null : `${path} is not of type ${shape.type}`;
  if (shape.kind === 'set') {
    if (!Array.isArray(value)) return `${path} is not a list`;
    return firstOf(value.map((item) => () => firstMismatch(item, shape.element, `${path}[]`)));
  }
  if (value === undefined || !isRecord(value)) return `${path} is not an object`;
  const members = new Map(Object.entries(value));
  if ([...members.keys()].some((key) => !shape.attributes.has(key)))
    return `${path} holds a member that was not approved`;
  return firstOf(
    [...shape.attributes].map(([key, { shape: inner, required }]) => () => {
      const item = members.get(key);
      if (item === undefined) return required ? `${path}.${key} is missing` : null;
      return firstMismatch(item, inner, `${path}.${key}`);
    }),
  );
}

function firstOf(checks: readonly (() => string | null)[]): string | null {
  for (const check of checks) {
    const found = check();
    if (found !== null) return found;
  }
  return null;
}

function leafMatches(value: CedarValueJson | undefined, type: string): boolean {
  if (type === 'String') return typeof value === 'string' && value.isWellFormed();
  if (type === 'Long') return Number.isSafeInteger(value);
  if (type === 'Bool' || type === 'Boolean') return typeof value === 'boolean';
  return true;
}
