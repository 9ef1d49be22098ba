import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Ranks } from '../../policy/sensitivity.ts';
import type { Sight } from './apply.ts';

/** Schemas that a value has to fulfil, or may fulfil instead, all of them read: one that labels a field is enough. */
const COMBINED = ['allOf', 'anyOf', 'oneOf', 'if', 'then', 'else', '$ref'] as const;

/** What is the same all over one schema. */
interface Root {
  schema: JsonObject;
  covers: (label: JsonValue) => boolean;
}

/**
 * Sees what a schema labels with `x-sensitivity`: fields of the class, and of every class that ranks higher. What the schema does not
 * describe was labelled by nobody, and is taken; so is what a reference leads to that cannot be followed, and a label that is unknown.
 */
export class ClassSight implements Sight {
  readonly #root: Root;
  /** Every schema that speaks of this value. */
  readonly #schemas: readonly JsonObject[];
  readonly takes: boolean;

  private constructor(root: Root, schemas: readonly JsonValue[]) {
    const spoken = spread(root.schema, schemas);
    this.#root = root;
    this.#schemas = spoken ?? [];
    this.takes = spoken === null || spoken.length === 0 || spoken.some((schema) => isLabelled(schema, root.covers));
  }

  /** @param schema of the whole answer; null: nothing describes it */
  static of(schema: JsonObject | null, label: string, ranks: Ranks): ClassSight {
    return new ClassSight({ schema: schema ?? {}, covers: coversOf(label, ranks) }, schema === null ? [] : [schema]);
  }

  member(name: string): ClassSight {
    return this.#inside((schema) => {
      const named = inSchema(schema, 'properties', name);
      if (named !== undefined) return [named];
      // Which pattern a name fits is not looked at: what any of them labels is taken.
      const patterns = member(schema, 'patternProperties');
      return [...(isObject(patterns) ? Object.values(patterns) : []), member(schema, 'additionalProperties') ?? true];
    });
  }

  item(index: number): ClassSight {
    return this.#inside((schema) => {
      const items = member(schema, 'items');
      const places = Array.isArray(items) ? items : member(schema, 'prefixItems');
      const place = Array.isArray(places) ? places[index] : undefined;
      if (place !== undefined) return [place];
      return [(Array.isArray(items) ? member(schema, 'additionalItems') : items) ?? true];
    });
  }

  #inside(step: (schema: JsonObject) => readonly JsonValue[]): ClassSight {
    return new ClassSight(this.#root, this.#schemas.flatMap(step));
  }
}

function inSchema(schema: JsonObject, key: string, name: string): JsonValue | undefined {
  const named = member(schema, key);
  return isObject(named) && Object.hasOwn(named, name) ? member(named, name) : undefined;
}

function isLabelled(schema: JsonObject, covers: Root['covers']): boolean {
  const label = member(schema, 'x-sensitivity');
  if (label === undefined) return false;
  return Array.isArray(label) ? label.some(covers) : covers(label);
}

function coversOf(label: string, ranks: Ranks): Root['covers'] {
  const least = ranks.get(label) ?? 0;
  return (given) => {
    const rank = typeof given === 'string' ? ranks.get(given) : undefined;
    return given === label || rank === undefined || rank > least;
  };
}

/** The schemas and all that they are made of; null where one cannot be read. `true` and `{}` describe nothing, and are none. */
function spread(root: JsonObject, schemas: readonly JsonValue[]): JsonObject[] | null {
  const found = new Set<JsonObject>();
  const open = [...schemas];
  for (let schema = open.pop(); schema !== undefined; schema = open.pop()) {
    if (!isObject(schema) || Object.keys(schema).length === 0 || found.has(schema)) continue;
    found.add(schema);
    if (Object.hasOwn(schema, '$dynamicRef') || Object.hasOwn(schema, '$recursiveRef')) return null;
    for (const key of COMBINED) {
      const part = member(schema, key);
      if (part === undefined) continue;
      const parts = key === '$ref' ? referred(root, part) : Array.isArray(part) ? part : [part];
      if (parts === null) return null;
      open.push(...parts);
    }
  }
  return [...found];
}

/** What a reference within the schema leads to; null for any other. */
function referred(root: JsonObject, reference: JsonValue): JsonValue[] | null {
  if (typeof reference !== 'string' || !/^#(?:\/|$)/.test(reference)) return null;
  let at: JsonValue | undefined = root;
  for (const step of reference.split('/').slice(1)) {
    const name = pointerStep(step);
    at =
      name !== null && isObject(at)
        ? member(at, name)
        : Array.isArray(at) && name !== null
          ? at[Number(name)]
          : undefined;
  }
  return at === undefined ? null : [at];
}

/** RFC 6901, in a fragment. */
function pointerStep(step: string): string | null {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}
