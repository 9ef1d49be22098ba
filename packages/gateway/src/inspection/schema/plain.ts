import { isObject, JsonNumber, type JsonObject, type JsonValue, member, setMember } from '@cmcp/evidence';
import { keyText } from './key-text.ts';
import type { References } from './references.ts';
import { subschemas } from './subschemas.ts';

/** Keywords that say something of a value, and hold neither schemas nor values. Annotations are left out; so is `format`, which is one. */
const ASSERTIONS = [
  'dependentRequired',
  'exclusiveMaximum',
  'exclusiveMinimum',
  'maxContains',
  'maximum',
  'maxItems',
  'maxLength',
  'maxProperties',
  'minContains',
  'minimum',
  'minItems',
  'minLength',
  'minProperties',
  'multipleOf',
  'pattern',
  'required',
  'type',
  'uniqueItems',
];

/** What keywords of our own begin with. */
export const OWN = 'x-cmcp-';

/** The keyword under which each schema carries what checking a value against it costs. */
export const EFFORT = `${OWN}effort`;

/** Keywords for which every member of an object is looked at. */
const PER_MEMBER = [
  'additionalProperties',
  'maxProperties',
  'minProperties',
  'patternProperties',
  'propertyNames',
  'unevaluatedProperties',
];

/** Keywords that are looked through as a whole for each value. */
const LOOKED_THROUGH = [
  'allOf',
  'anyOf',
  'dependencies',
  'dependentRequired',
  'dependentSchemas',
  'oneOf',
  'patternProperties',
  'prefixItems',
  'properties',
  'required',
];

/** What checking a value costs, in steps: at all, for each member or item, and for every 16 units of a text. */
export interface Effort {
  base: number;
  perMember: number;
  perText: number;
}

/** A value as the library reads it: numbers are doubles. The same object where nothing in it has to change. */
export function plainValue(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.lexeme);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map(plainValue);
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  const members = Object.entries(value).map(([name, item]): [string, unknown] => [name, plainValue(item)]);
  // Own members all, also one called `__proto__`.
  return members.some(([name, item]) => item !== value[name]) ? Object.fromEntries(members) : value;
}

/**
 * A schema as it is handed to the library: only keywords that assert something, references as pointers within it, and with each
 * schema what it costs. What the library means by any other keyword (`$async`, `nullable`, `discriminator`) cannot come to be.
 */
export function plainSchema(schema: JsonValue, references: References): unknown {
  if (!isObject(schema)) return schema;
  const plain: JsonObject = {};
  for (const keyword of ASSERTIONS) {
    const value = member(schema, keyword);
    if (value !== undefined) plain[keyword] = plainValue(value) as JsonValue;
  }
  for (const keyword of ['const', 'enum']) {
    const value = member(schema, keyword);
    if (value !== undefined)
      plain[OWN + keyword] = sameAs(keyword === 'enum' && Array.isArray(value) ? value : [value]);
  }
  for (const { steps, schema: part } of subschemas(schema)) put(plain, schema, steps, plainSchema(part, references));
  return { ...plain, ...referring(schema, references, plain), [EFFORT]: effortOf(schema) };
}

/** Values as texts: the library looks for schemas in whatever objects it is given. */
function sameAs(values: readonly JsonValue[]): string[] {
  return values.map((value) => keyText(plainValue(value)));
}

/** Puts a schema where `steps` lead, with the lists of names that stand beside it in `dependencies`. */
function put(into: JsonObject, from: JsonObject, [keyword, within]: readonly (string | number)[], part: unknown): void {
  const key = String(keyword);
  if (within === undefined) {
    into[key] = part as JsonValue;
    return;
  }
  into[key] ??= typeof within === 'number' ? [] : listsOf(from, key);
  setMember(into[key] as JsonObject, String(within), part as JsonValue);
}

function listsOf(schema: JsonObject, keyword: string): JsonObject {
  const named = member(schema, keyword);
  return Object.fromEntries(Object.entries(isObject(named) ? named : {}).filter(([, value]) => Array.isArray(value)));
}

/** With one schema alone, what a dynamic reference leads to is what any reference does. */
function referring(schema: JsonObject, references: References, { allOf }: JsonObject): JsonObject {
  const [plain, dynamic] = ['$ref', '$dynamicRef'].flatMap((key) => {
    const target = references.target(member(schema, key) ?? null);
    return target === null ? [] : [{ $ref: `#${target.split('/').map(encodeURIComponent).join('/')}` }];
  });
  if (dynamic === undefined) return plain ?? {};
  return { ...plain, allOf: [...(Array.isArray(allOf) ? allOf : []), dynamic] };
}

function effortOf(schema: JsonObject): Effort & JsonObject {
  const patterns = member(schema, 'patternProperties');
  const ways = isObject(patterns) ? Object.keys(patterns).length : 0;
  return {
    base: 1 + LOOKED_THROUGH.reduce((sum, key) => sum + sizeOf(member(schema, key)), 0),
    perMember: PER_MEMBER.some((key) => Object.hasOwn(schema, key)) ? 1 + 4 * ways : 0,
    perText: Object.hasOwn(schema, 'pattern') ? 16 : 1,
  };
}

function sizeOf(value: JsonValue | undefined): number {
  if (Array.isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : 0;
}
