import { isObject, type JsonObject, type JsonValue, member, parseJson } from '@cmcp/evidence';
import type { Choose } from './choose.ts';
import type { Ideas } from './ideas.ts';
import { textOf } from './pattern-text.ts';

/** What values are made from. */
export interface Making {
  choose: Choose;
  ideas: Ideas;
}

/** Schemas that refer to themselves end somewhere. */
const MAX_REFERENCES = 3;
const MAX_LENGTH = 2000;
const MAX_ITEMS = 20;

/** Texts of the formats that JSON Schema names. */
const FORMATS: Readonly<Record<string, string>> = {
  date: '2026-01-31',
  time: '12:00:00Z',
  'date-time': '2026-01-31T12:00:00Z',
  email: 'ada@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

/** Arguments for an input schema: most fit it, some lie just outside, some are what rules look for. */
export function argumentsFor(schema: JsonObject, making: Making): JsonObject {
  return objectFor(schema, making, { schema, references: 0 });
}

/** What references are looked up in, and how many lead here. */
interface Root {
  schema: JsonObject;
  references: number;
}

function valueFor(given: JsonValue, name: string, making: Making, above: Root): JsonValue {
  const { schema, root } = alternative(given, making, above);
  const { choose, ideas } = making;
  if (Object.hasOwn(schema, 'const')) return member(schema, 'const') ?? null;
  const listed = member(schema, 'enum');
  if (Array.isArray(listed) && listed.length > 0 && !choose.chance(0.05)) return choose.pick(listed) ?? null;
  switch (choose.pick(typesOf(schema))) {
    case 'string':
      return textFor(schema, name, making);
    case 'integer':
      return numberFor(schema, name, making);
    case 'number':
      return choose.chance(0.3) ? parseJson('0.5') : numberFor(schema, name, making);
    case 'boolean':
      return choose.pick([false, true]) ?? false;
    case 'array':
      return arrayFor(schema, name, making, root);
    case 'object':
      return objectFor(schema, making, root);
    case 'null':
      return null;
    default:
      return choose.pick<JsonValue>(['x', ...ideas.texts(name), 1, true]) ?? null;
  }
}

/** One of those that a schema combines, and what a reference points at. */
function alternative(given: JsonValue, making: Making, above: Root): { schema: JsonObject; root: Root } {
  const schema = isObject(given) ? given : {};
  const reference = member(schema, '$ref');
  if (typeof reference === 'string') {
    const root = { ...above, references: above.references + 1 };
    const found = root.references > MAX_REFERENCES ? {} : pointed(above.schema, reference);
    return alternative(found ?? {}, making, root);
  }
  const combined = ['anyOf', 'oneOf', 'allOf'].map((key) => member(schema, key)).find(Array.isArray);
  const next = making.choose.pick(combined ?? []);
  return next === undefined ? { schema, root: above } : alternative(next, making, above);
}

function pointed(root: JsonObject, reference: string): JsonValue | undefined {
  if (!reference.startsWith('#')) return undefined;
  const steps = reference.split('/').slice(1);
  return steps.reduce<JsonValue | undefined>((inside, step) => {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    return isObject(inside) ? member(inside, key) : undefined;
  }, root);
}

function typesOf(schema: JsonObject): JsonValue[] {
  const type = member(schema, 'type');
  if (Array.isArray(type)) return type;
  if (type !== undefined) return [type];
  return Object.hasOwn(schema, 'properties') ? ['object'] : [];
}

function textFor(schema: JsonObject, name: string, { choose, ideas }: Making): string {
  const own = ideas.texts(name);
  if (own.length > 0 && choose.chance(0.6)) return choose.pick(own) ?? '';
  if (choose.chance(0.1)) return choose.pick(ideas.texts(null)) ?? '';
  const format = member(schema, 'format');
  const least = bounded(countOf(schema, 'minLength') ?? 0, MAX_LENGTH);
  const most = bounded(countOf(schema, 'maxLength') ?? least + 5, MAX_LENGTH);
  const pattern = member(schema, 'pattern');
  const fitting = typeof pattern === 'string' ? textOf(pattern, choose) : null;
  const named = typeof format === 'string' ? FORMATS[format] : undefined;
  const typical = fitting ?? named ?? 'x'.repeat(Math.max(1, least));
  if (!choose.chance(0.4)) return typical;
  return choose.pick(['', 'x'.repeat(most), 'x'.repeat(most + 1), typical.toUpperCase(), `../${typical}`]) ?? '';
}

function numberFor(schema: JsonObject, name: string, { choose, ideas }: Making): number {
  const own = ideas.longs(name);
  if (own.length > 0 && choose.chance(0.7)) return choose.pick(own) ?? 0;
  const least = countOf(schema, 'minimum') ?? countOf(schema, 'exclusiveMinimum', 1);
  const most = countOf(schema, 'maximum') ?? countOf(schema, 'exclusiveMaximum', -1);
  const inside = least ?? Math.min(0, most ?? 0);
  const beside = [inside, inside + 1, most ?? 1_000_000, (most ?? 1_000_000) + 1, inside - 1];
  return choose.pick(beside.filter(Number.isSafeInteger)) ?? 0;
}

/** A whole number of the schema that arithmetic can carry; `beside` is added. */
function countOf(schema: JsonObject, key: string, beside = 0): number | null {
  const value = member(schema, key);
  return typeof value === 'number' ? value + beside : null;
}

function bounded(count: number, most: number): number {
  return Math.max(0, Math.min(count, most));
}

function arrayFor(schema: JsonObject, name: string, making: Making, root: Root): JsonValue[] {
  const least = bounded(countOf(schema, 'minItems') ?? 0, MAX_ITEMS);
  const length = making.choose.pick([least, least + 1, least + 2]) ?? 0;
  const items = member(schema, 'items') ?? {};
  return Array.from({ length }, () => valueFor(items, name, making, root));
}

/** A member that is not required is left out now and then, and so, rarely, is one that is. */
function objectFor(schema: JsonObject, making: Making, root: Root): JsonObject {
  const properties = member(schema, 'properties');
  const required = member(schema, 'required');
  const needed = Array.isArray(required) ? required : [];
  const members = Object.entries(isObject(properties) ? properties : {}).flatMap(([name, property]) => {
    const given = needed.includes(name) ? !making.choose.chance(0.03) : making.choose.chance(0.6);
    return given ? [[name, valueFor(property, name, making, root)] as const] : [];
  });
  return Object.fromEntries(members);
}
