import { canonicalSorted, isObject, JsonNumber, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { Place } from '../../../catalog/fields.ts';

/** `widened`: accepts what it did not. `narrowed`: accepts less. `unclear`: which of the two cannot be told. */
export interface SchemaChange {
  effect: 'widened' | 'narrowed' | 'unclear';
  path: string;
  what: string;
}

const LOWER = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties', 'minContains'];
const UPPER = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties', 'maxContains'];
/** Any other value accepts something else. */
const OPAQUE = [
  'pattern',
  'format',
  'multipleOf',
  'contentEncoding',
  'contentMediaType',
  '$ref',
  'not',
  'if',
  'then',
  'else',
];
const OPAQUE_TOO = ['dependentRequired', 'dependentSchemas', 'patternProperties', 'uniqueItems', 'contains'];
const NESTED = ['items', 'additionalItems', 'propertyNames'];
const CLOSING = ['additionalProperties', 'unevaluatedProperties'];
const BY_NAME = ['$defs', 'definitions'];

/** What a change of a JSON Schema changes in what it accepts, keyword by keyword. */
export function schemaChanges(before: JsonValue, after: JsonValue, at: Place = new Place('')): SchemaChange[] {
  if (canonicalSorted(before) === canonicalSorted(after)) return [];
  if (!isObject(before) || !isObject(after))
    return [change(before === false ? 'widened' : 'unclear', at, 'is another schema')];
  return [
    ...values(before, after, at),
    ...bounds(before, after, at),
    ...opaque(before, after, at),
    ...closed(before, after, at),
    ...properties(before, after, at),
    ...NESTED.flatMap((key) => nested(before, after, key, at)),
    ...['anyOf', 'oneOf', 'allOf', 'prefixItems'].flatMap((key) => branches(before, after, key, at)),
    ...BY_NAME.flatMap((key) => named(before, after, key, at)),
  ];
}

/** Sets of values: `required`, `enum`, `const`, `type`. */
function values(before: JsonObject, after: JsonObject, at: Place): SchemaChange[] {
  const required = setChanges(listOf(member(before, 'required')) ?? [], listOf(member(after, 'required')) ?? []);
  const found = [
    ...required.gone.map((name) => change('widened', at.at('required'), `${name} is not required any more`)),
    ...required.come.map((name) => change('narrowed', at.at('required'), `${name} is required`)),
  ];
  for (const key of ['enum', 'const', 'type']) {
    const [old, now] = [listOf(member(before, key)), listOf(member(after, key))];
    if (old === null && now !== null) found.push(change('narrowed', at.at(key), 'only some values are accepted'));
    if (old !== null && now === null) found.push(change('widened', at.at(key), 'any value is accepted'));
    if (old === null || now === null) continue;
    const { gone, come } = setChanges(old, now);
    found.push(...come.map((value) => change('widened', at.at(key), `${value} is accepted`)));
    found.push(...gone.map((value) => change('narrowed', at.at(key), `${value} is not accepted any more`)));
  }
  return found;
}

function bounds(before: JsonObject, after: JsonObject, at: Place): SchemaChange[] {
  return [...LOWER, ...UPPER].flatMap((key) => {
    const [old, now] = [numberOf(member(before, key)), numberOf(member(after, key))];
    if (old === now) return [];
    if (old === null) return [change('narrowed', at.at(key), `${now} is the bound`)];
    if (now === null) return [change('widened', at.at(key), `the bound ${old} is gone`)];
    const wider = LOWER.includes(key) ? now < old : now > old;
    return [change(wider ? 'widened' : 'narrowed', at.at(key), `the bound is ${now}, it was ${old}`)];
  });
}

function opaque(before: JsonObject, after: JsonObject, at: Place): SchemaChange[] {
  return [...OPAQUE, ...OPAQUE_TOO].flatMap((key) => {
    const [old, now] = [member(before, key), member(after, key)];
    if (old === undefined && now === undefined) return [];
    if (old === undefined) return [change('narrowed', at.at(key), 'is asked for')];
    if (now === undefined) return [change('widened', at.at(key), 'is not asked for any more')];
    return canonicalSorted(old) === canonicalSorted(now)
      ? []
      : [change('unclear', at.at(key), 'asks for something else')];
  });
}

function closed(before: JsonObject, after: JsonObject, at: Place): SchemaChange[] {
  return CLOSING.flatMap((key) => {
    const [old, now] = [member(before, key) ?? true, member(after, key) ?? true];
    if (canonicalSorted(old) === canonicalSorted(now)) return [];
    const place = at.at(key);
    if (old === false) return [change('widened', place, 'members that are not named are accepted')];
    if (now === false) return [change('narrowed', place, 'only named members are accepted')];
    if (now === true) return [change('widened', place, 'members that are not named may be anything')];
    return old === true ? [change('narrowed', place, 'has a schema')] : schemaChanges(old, now, place);
  });
}

function properties(before: JsonObject, after: JsonObject, at: Place): SchemaChange[] {
  const [old, now] = [objectOf(before, 'properties'), objectOf(after, 'properties')];
  const place = at.at('properties');
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort();
  return names.flatMap((name) => {
    const [was, is] = [member(old, name), member(now, name)];
    if (was !== undefined && is !== undefined) return schemaChanges(was, is, place.at(name));
    if (is === undefined) return [change('unclear', place.at(name), 'the property is not described any more')];
    const what = carries(is) ? 'a new property can carry any content' : 'a new property is accepted';
    return [change('widened', place.at(name), what)];
  });
}

/** Whether a value of this schema can hold what its sender likes: text, a list, an object. */
function carries(schema: JsonValue): boolean {
  if (!isObject(schema)) return true;
  if (member(schema, 'enum') !== undefined || member(schema, 'const') !== undefined) return false;
  const types = listOf(member(schema, 'type'));
  return types === null || types.some((type) => !['"boolean"', '"number"', '"integer"', '"null"'].includes(type));
}

function nested(before: JsonObject, after: JsonObject, key: string, at: Place): SchemaChange[] {
  const [old, now] = [member(before, key), member(after, key)];
  if (old === undefined && now === undefined) return [];
  if (old === undefined) return [change('narrowed', at.at(key), 'has a schema')];
  if (now === undefined) return [change('widened', at.at(key), 'may be anything')];
  return schemaChanges(old, now, at.at(key));
}

function branches(before: JsonObject, after: JsonObject, key: string, at: Place): SchemaChange[] {
  const [old, now] = [member(before, key), member(after, key)];
  if (old === undefined && now === undefined) return [];
  const place = at.at(key);
  if (!Array.isArray(old)) return [change('narrowed', place, 'is asked for')];
  if (!Array.isArray(now)) return [change('widened', place, 'is not asked for any more')];
  const common = old
    .slice(0, now.length)
    .flatMap((each, index) => schemaChanges(each, now[index] ?? true, place.at(index)));
  if (old.length === now.length) return common;
  const wider = key === 'anyOf' || key === 'oneOf' ? now.length > old.length : now.length < old.length;
  return [...common, change(wider ? 'widened' : 'narrowed', place, `has ${now.length} branches, it had ${old.length}`)];
}

function named(before: JsonObject, after: JsonObject, key: string, at: Place): SchemaChange[] {
  const [old, now] = [objectOf(before, key), objectOf(after, key)];
  return Object.keys(old).flatMap((name) => {
    const is = member(now, name);
    return is === undefined ? [] : schemaChanges(old[name] ?? true, is, at.at(key).at(name));
  });
}

function change(effect: SchemaChange['effect'], { pointer }: Place, what: string): SchemaChange {
  return { effect, path: pointer, what };
}

/** The values of a keyword that names one or several, as canonical JSON; null where it is absent. */
function listOf(value: JsonValue | undefined): string[] | null {
  if (value === undefined) return null;
  return (Array.isArray(value) ? value : [value]).map(canonicalSorted);
}

function objectOf(schema: JsonObject, key: string): JsonObject {
  const value = member(schema, key);
  return isObject(value) ? value : {};
}

function numberOf(value: JsonValue | undefined): number | null {
  if (typeof value === 'number') return value;
  return value instanceof JsonNumber ? Number(value.lexeme) : null;
}

function setChanges(before: readonly string[], after: readonly string[]): { gone: string[]; come: string[] } {
  return {
    gone: before.filter((value) => !after.includes(value)),
    come: after.filter((value) => !before.includes(value)),
  };
}
