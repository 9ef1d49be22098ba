import { isObject, type JsonObject, type JsonValue, member, stringifyJson } from '@cmcp/evidence';

type Check = (value: JsonValue, schema: JsonObject, place: string) => string | null;

/**
 * Why a value does not fit a schema, and what would; null: it fits. A subset of JSON Schema 2020-12, enough for what operators send: the
 * schemas are our own, and {@link requireKnownKeywords} holds them to it.
 */
export function misfit(value: JsonValue, schema: JsonObject, place = ''): string | null {
  for (const keyword of Object.keys(schema)) {
    const found = CHECKS[keyword]?.(value, schema, place) ?? null;
    if (found !== null) return found;
  }
  return null;
}

/** @throws Error for a schema that says something which would not be checked */
export function requireKnownKeywords(schema: JsonObject): void {
  const other = Object.keys(schema).find((keyword) => !(keyword in CHECKS) && !ANNOTATIONS.has(keyword));
  if (other !== undefined) throw new Error(`no check for the schema keyword ${other}`);
  if (typeof schema.pattern === 'string') new RegExp(schema.pattern, 'u');
  for (const each of subschemas(schema)) requireKnownKeywords(each);
}

const ANNOTATIONS = new Set(['title', 'description', 'examples', 'default']);

const TYPES: Readonly<Record<string, (value: JsonValue) => boolean>> = {
  string: (value) => typeof value === 'string',
  integer: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  object: (value) => isObject(value),
  array: (value) => Array.isArray(value),
};

const CHECKS: Readonly<Record<string, Check>> = {
  type: (value, schema, place) => {
    const types = [schema.type ?? []].flat().map(String);
    if (types.some((type) => TYPES[type]?.(value))) return null;
    return misfitText(schema, place, `must be ${types.join(' or ')}`);
  },
  const: (value, schema, place) =>
    same(value, schema.const) ? null : misfitText(schema, place, `must be ${shown(schema.const)}`),
  enum: (value, schema, place) => {
    const allowed = listIn(schema, 'enum');
    if (allowed.some((each) => same(value, each))) return null;
    return misfitText(schema, place, `must be one of ${allowed.map(shown).join(', ')}`);
  },
  not: (value, schema, place) =>
    isObject(schema.not) && misfit(value, schema.not) === null
      ? misfitText(schema, place, `must not be ${shown(value)}`)
      : null,
  anyOf: (value, schema, place) => {
    const found = listIn(schema, 'anyOf')
      .filter(isObject)
      .map((each) => misfit(value, each, place));
    return found.includes(null) ? null : `${found.join('; or ')}`;
  },
  pattern: (value, schema, place) =>
    typeof value !== 'string' || new RegExp(String(schema.pattern), 'u').test(value)
      ? null
      : misfitText(schema, place, `must match ${String(schema.pattern)}`),
  minLength: (value, schema, place) => bounded(typeof value === 'string' ? value.length : null, 'min', schema, place),
  maxLength: (value, schema, place) => bounded(typeof value === 'string' ? value.length : null, 'max', schema, place),
  minItems: (value, schema, place) => bounded(Array.isArray(value) ? value.length : null, 'min', schema, place),
  maxItems: (value, schema, place) => bounded(Array.isArray(value) ? value.length : null, 'max', schema, place),
  minimum: (value, schema, place) =>
    typeof value === 'number' && value < Number(schema.minimum)
      ? misfitText(schema, place, `must be at least ${String(schema.minimum)}`)
      : null,
  maximum: (value, schema, place) =>
    typeof value === 'number' && value > Number(schema.maximum)
      ? misfitText(schema, place, `must be at most ${String(schema.maximum)}`)
      : null,
  items: (value, schema, place) => {
    const { items } = schema;
    if (!Array.isArray(value) || !isObject(items)) return null;
    return first(value.map((each, index) => () => misfit(each, items, `${place}/${index}`)));
  },
  required: (value, schema, place) => {
    const lacking = listIn(schema, 'required').find((name) => isObject(value) && !Object.hasOwn(value, String(name)));
    if (lacking === undefined) return null;
    return misfitText(propertyOf(schema, String(lacking)) ?? {}, `${place}/${String(lacking)}`, 'must be there');
  },
  properties: (value, schema, place) => {
    if (!isObject(value)) return null;
    return first(
      Object.keys(value).map((name) => () => {
        const property = propertyOf(schema, name);
        return property === null ? null : misfit(value[name] ?? null, property, `${place}/${name}`);
      }),
    );
  },
  additionalProperties: (value, schema, place) => {
    const { additionalProperties: rest } = schema;
    if (!isObject(value) || rest === true) return null;
    const others = Object.keys(value).filter((name) => propertyOf(schema, name) === null);
    if (isObject(rest)) return first(others.map((name) => () => misfit(value[name] ?? null, rest, `${place}/${name}`)));
    const [other] = others;
    if (other === undefined) return null;
    const known = Object.keys(isObject(schema.properties) ? schema.properties : {}).join(', ');
    return `${place === '' ? '' : `${place}: `}unknown member ${JSON.stringify(other)}; known: ${known || 'none'}`;
  },
};

function first(checks: (() => string | null)[]): string | null {
  for (const check of checks) {
    const found = check();
    if (found !== null) return found;
  }
  return null;
}

function bounded(size: number | null, side: 'min' | 'max', schema: JsonObject, place: string): string | null {
  const bound = Number(schema[`${side}Length`] ?? schema[`${side}Items`]);
  if (size === null || (side === 'min' ? size >= bound : size <= bound)) return null;
  return misfitText(schema, place, `must have ${side === 'min' ? 'at least' : 'at most'} ${bound}`);
}

/** Members of what was sent are named as they were written, what is deeper by its JSON pointer. */
function misfitText({ description }: JsonObject, place: string, problem: string): string {
  const name = /^\/([^/]*)$/.exec(place)?.[1];
  const where = name === undefined ? place : `"${name}"`;
  const hint = typeof description === 'string' ? ` (${description})` : '';
  return `${where === '' ? 'it' : where} ${problem}${hint}`;
}

function propertyOf(schema: JsonObject, name: string): JsonObject | null {
  const property = isObject(schema.properties) ? member(schema.properties, name) : undefined;
  return isObject(property) ? property : null;
}

function listIn(schema: JsonObject, keyword: string): JsonValue[] {
  const list = schema[keyword];
  return Array.isArray(list) ? list : [];
}

function same(one: JsonValue, other: JsonValue | undefined): boolean {
  return shown(one) === shown(other);
}

function shown(value: JsonValue | undefined): string {
  return stringifyJson(value ?? null);
}

function subschemas(schema: JsonObject): JsonObject[] {
  const inside = isObject(schema.properties) ? Object.values(schema.properties) : [];
  const { items, not, additionalProperties } = schema;
  return [...inside, ...listIn(schema, 'anyOf'), items, not, additionalProperties].filter(isObject);
}
