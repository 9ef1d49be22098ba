import { isObject, type JsonObject, type JsonValue } from '@cmcp/evidence';
import type { SchemaView } from './schema-view.ts';
import type { Structure } from './structure.ts';

/** A value without the members that its approved form does not describe. */
export interface Stripped {
  value: JsonValue;
  /** How many members were left out, each with all that is in it counted once. */
  count: number;
  /** What each object that lost a member, or holds one that did, became. */
  changed: ReadonlyMap<JsonValue, JsonValue>;
}

/**
 * Leaves out what no one approved: of the topmost object each member that the schema neither names nor says may be there
 * (wire-formats section 17.5); of an object within, the same where the schema closes it.
 */
export function stripped(structure: Structure, value: JsonValue): Stripped {
  const stripper = new Stripper(structure.closesWithin);
  const left = stripper.strip(value, structure.view, true);
  return { value: left, count: stripper.count, changed: stripper.changed };
}

class Stripper {
  readonly changed = new Map<JsonValue, JsonValue>();
  count = 0;
  readonly #goesIn: boolean;

  constructor(goesIn: boolean) {
    this.#goesIn = goesIn;
  }

  /** The value as it was where it lost nothing. */
  strip(value: JsonValue, view: SchemaView, isTop: boolean): JsonValue {
    if (view.isObscure || (!isTop && !this.#goesIn)) return value;
    const after = Array.isArray(value)
      ? this.#items(value, view)
      : isObject(value)
        ? this.#members(value, view, isTop)
        : null;
    if (after === null) return value;
    this.changed.set(value, after);
    return after;
  }

  #items(value: readonly JsonValue[], view: SchemaView): JsonValue[] | null {
    const left = value.map((item, index) => this.strip(item, view.item(index), false));
    return left.some((item, index) => item !== value[index]) ? left : null;
  }

  #members(value: JsonObject, view: SchemaView, isTop: boolean): JsonObject | null {
    const isClosed = isTop || view.isClosed;
    const left: [string, JsonValue][] = [];
    let isSame = true;
    for (const name of Object.keys(value)) {
      const item = value[name] ?? null;
      const isKept = !isClosed || view.names(name);
      const after = isKept ? this.strip(item, view.member(name), false) : item;
      if (isKept) left.push([name, after]);
      else this.count += 1;
      isSame &&= isKept && after === item;
    }
    return isSame ? null : Object.fromEntries(left);
  }
}
