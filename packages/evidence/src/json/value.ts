/**
 * A JSON number that a JavaScript `number` cannot carry without loss: a fraction, an exponent, `-0`, or an integer beyond
 * ±(2^53−1). The lexeme is what was written, so that a hash or a forwarded message says the same thing.
 */
export class JsonNumber {
  readonly lexeme: string;
  constructor(lexeme: string) {
    this.lexeme = lexeme;
  }
}

/** A parsed JSON value. A plain `number` is always a safe integer; every other number is a {@link JsonNumber}. */
export type JsonValue = null | boolean | string | number | JsonNumber | JsonValue[] | JsonObject;

/** A JSON object. Read members with {@link member}: keys come from peers, so `__proto__` and friends are only data. */
export interface JsonObject {
  [key: string]: JsonValue;
}

/** True for a JSON object: not null, not an array, not a number lexeme. */
export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber);
}

/** The own member `key` of `object`, or undefined. Never looks at a prototype. */
export function member(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Sets an own member, also for `__proto__`, which plain assignment would turn into a prototype change. */
export function setMember(object: JsonObject, key: string, value: JsonValue): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[key] = value;
  }
}
