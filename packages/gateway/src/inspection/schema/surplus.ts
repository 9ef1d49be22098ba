import { isObject, type JsonObject, type JsonValue } from '@cmcp/evidence';
import type { SchemaView } from './schema-view.ts';
import type { Structure } from './structure.ts';
import { closes } from './survey.ts';

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
  const left = stripper.strip(value, structure.view(), true);
  return { value: left, count: stripper.count, changed: stripper.changed };
}

class Stripper {
  readonly changed = new Map<JsonValue, JsonValue>();
  count = 0;
  readonly #goesIn: boolean;

  constructor(goesIn: boolean) {
    this.#goesIn = goesIn;
  }

  strip(value: JsonValue, view: SchemaView, isTop: boolean): JsonValue {
    if (view.isObscure) return value;
    if (isObject(value)) return this.#noted(value, this.#members(value, view, isTop || view.schemas.some(closes)));
    if (!Array.isArray(value) || !this.#goesIn) return value;
    return this.#noted(
      value,
      value.map((item, index) => this.strip(item, view.item(index), false)),
    );
  }

  #members(value: JsonObject, view: SchemaView, isClosed: boolean): JsonObject {
    const kept = Object.entries(value).filter(([name]) => !isClosed || view.names(name));
    this.count += Object.keys(value).length - kept.length;
    if (!this.#goesIn) return Object.fromEntries(kept);
    return Object.fromEntries(kept.map(([name, item]) => [name, this.strip(item, view.member(name), false)]));
  }

  /** The value as it was where it lost nothing. */
  #noted<T extends JsonObject | JsonValue[]>(before: T, after: T): T {
    const names = Object.keys(before);
    const isSame =
      names.length === Object.keys(after).length &&
      names.every((name) => Reflect.get(before, name) === Reflect.get(after, name));
    if (isSame) return before;
    this.changed.set(before, after);
    return after;
  }
}
