import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { nearest } from '../config/nearest.ts';
import { GatewayError } from '../errors.ts';

/** Where something stands in what a person wrote, for messages. */
export interface Where {
  at(key: string | number): Where;
  /** The error to throw: where, what is wrong, what to do. */
  refuse(problem: string): GatewayError;
}

/** A place in a catalog file: file and JSON pointer (RFC 6901). */
export class Place implements Where {
  readonly file: string;
  readonly pointer: string;

  constructor(file: string, pointer = '') {
    this.file = file;
    this.pointer = pointer;
  }

  at(key: string | number): Place {
    return new Place(this.file, stepInto(this.pointer, key));
  }

  refuse(problem: string): GatewayError {
    const where = this.pointer === '' ? this.file : `${this.file} at ${this.pointer}`;
    return new GatewayError('CATALOG_INVALID', `${where}: ${problem}`);
  }
}

/** A place in what another program answered. What stands there is never repeated: it may be what that was sent. */
export class AnswerPlace implements Where {
  readonly #refusal: (problem: string, pointer: string) => GatewayError;
  readonly #pointer: string;

  constructor(refusal: (problem: string, pointer: string) => GatewayError, pointer = '') {
    this.#refusal = refusal;
    this.#pointer = pointer;
  }

  at(key: string | number): AnswerPlace {
    return new AnswerPlace(this.#refusal, stepInto(this.#pointer, key));
  }

  refuse(problem: string): GatewayError {
    return this.#refusal(problem, this.#pointer);
  }
}

/** The JSON pointer of a member or an item. */
export function stepInto(pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

export interface TextRule {
  pattern: RegExp;
  /** Completes "must be …". */
  expected: string;
}

const ANY_TEXT: TextRule = { pattern: /^/, expected: 'a string' };
export const MAX_TEXT = 64 * 1024;

/** Typed reading of a closed JSON object. Every method throws the error of the place: of a catalog, CATALOG_INVALID. */
export class Fields<W extends Where = Place> {
  readonly place: W;
  readonly value: JsonObject;

  constructor(value: JsonValue | undefined, place: W, known: readonly string[]) {
    if (!isObject(value)) throw place.refuse('must be an object');
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      const guess = nearest(key, known);
      throw place.at(key).refuse(`unknown member; remove it, or did you mean "${guess}"?`);
    }
    this.place = place;
    this.value = value;
  }

  /** The member, or undefined where it is absent. */
  get(key: string): JsonValue | undefined {
    return member(this.value, key);
  }

  text(key: string, rule: TextRule = ANY_TEXT): string {
    const value = this.#required(key);
    if (typeof value !== 'string') throw this.place.at(key).refuse(`must be ${rule.expected}`);
    if (value.length > MAX_TEXT) throw this.place.at(key).refuse(`must not be longer than ${MAX_TEXT} characters`);
    if (!rule.pattern.test(value)) throw this.place.at(key).refuse(`must be ${rule.expected}`);
    return value;
  }

  /** Absent and null are the same: not given. */
  optionalText(key: string, rule: TextRule = ANY_TEXT): string | null {
    const value = this.get(key);
    return value === undefined || value === null ? null : this.text(key, rule);
  }

  oneOf<const W extends string>(key: string, words: readonly W[]): W {
    const value = this.#required(key);
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw this.place.at(key).refuse(`must be one of ${words.map((w) => `"${w}"`).join(', ')}`);
    return word;
  }

  boolean(key: string, absent: boolean): boolean {
    const value = this.get(key);
    if (value === undefined) return absent;
    if (typeof value !== 'boolean') throw this.place.at(key).refuse('must be true or false');
    return value;
  }

  /** A whole number of 0 or more. */
  count(key: string, absent: number): number {
    const value = this.get(key);
    if (value === undefined) return absent;
    if (typeof value !== 'number' || value < 0) throw this.place.at(key).refuse('must be a whole number, 0 or more');
    return value;
  }

  object(key: string): JsonObject {
    const value = this.#required(key);
    if (!isObject(value)) throw this.place.at(key).refuse('must be an object');
    return value;
  }

  /** The items, at most `max` of them. */
  array(key: string, max: number): JsonValue[] {
    const value = this.#required(key);
    if (!Array.isArray(value)) throw this.place.at(key).refuse('must be an array');
    if (value.length > max) throw this.place.at(key).refuse(`must not hold more than ${max} items`);
    return value;
  }

  #required(key: string): JsonValue {
    const value = this.get(key);
    if (value === undefined) throw this.place.refuse(`"${key}" is missing; add it`);
    return value;
  }
}
