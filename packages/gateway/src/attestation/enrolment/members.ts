import {
  decodeBase64,
  decodeHex,
  EncodingError,
  isObject,
  JsonError,
  type JsonObject,
  type JsonValue,
  member,
  parseJson,
  printable,
} from '@cmcp/evidence';
import { refused } from './refusal.ts';

/** Larger than any document with the certificates of three endorsement keys and their issuers. */
const LIMITS = { bytes: 131_072, depth: 4, items: 200, numberLength: 20 };

/** The members of one document or of a part of it, each read once: what nobody read at the end is unknown, and refused. */
export class Members {
  readonly #object: JsonObject;
  readonly #what: string;
  readonly #unread: Set<string>;

  private constructor(object: JsonObject, what: string) {
    this.#object = object;
    this.#what = what;
    this.#unread = new Set(Object.keys(object));
  }

  /**
   * Reads a document, whose member `format` must be `format`. @throws GatewayError ENROLMENT_REFUSED
   * @param what the file, as messages name it
   */
  static of<T>(text: Uint8Array | string, what: string, format: string, read: (members: Members) => T): T {
    const value = parsed(text, what);
    if (!isObject(value)) throw refused(`${what} is not a JSON object`);
    const given = member(value, 'format');
    if (given !== format) {
      const found = typeof given === 'string' ? shown(given) : 'no format';
      throw refused(`${what} is another document: expected ${format}, found ${found}`);
    }
    return Members.#all(value, what, (members) => {
      members.#take('format');
      return read(members);
    });
  }

  static #all<T>(object: JsonObject, what: string, read: (members: Members) => T): T {
    const members = new Members(object, what);
    const result = read(members);
    const [unknown] = members.#unread;
    if (unknown !== undefined) throw refused(`${what}: the member ${shown(unknown)} is not known`);
    return result;
  }

  text(name: string, form: RegExp, expected: string): string {
    const value = this.#take(name);
    if (typeof value !== 'string' || !form.test(value)) throw this.#wrong(name, expected);
    return value;
  }

  /** As {@link text}, or null. */
  textOrNull(name: string, form: RegExp, expected: string): string | null {
    return this.#object[name] === null ? this.#nothing(name) : this.text(name, form, expected);
  }

  /** Lower-case hex of `least` to `most` bytes. */
  hex(name: string, least: number, most = least): Uint8Array<ArrayBuffer> {
    return this.#decoded(name, decodeHex, 'lower-case hex', least, most);
  }

  /** Base64 of `least` to `most` bytes. */
  base64(name: string, least: number, most: number): Uint8Array<ArrayBuffer> {
    return this.#decoded(name, decodeBase64, 'base64', least, most);
  }

  /** Seconds since the epoch. */
  time(name: string): number {
    const value = this.#take(name);
    if (typeof value !== 'number' || value < 0) throw this.#wrong(name, 'seconds since 1970');
    return value;
  }

  /** A list of at most `most` objects. */
  list<T>(name: string, most: number, read: (members: Members) => T): T[] {
    const value = this.#take(name);
    if (!Array.isArray(value) || value.length > most) throw this.#wrong(name, `a list of at most ${most}`);
    return value.map((item, i) => {
      const what = `${this.#what}: ${name}[${i}]`;
      if (!isObject(item)) throw refused(`${what} is not an object`);
      return Members.#all(item, what, read);
    });
  }

  #take(name: string): JsonValue | undefined {
    this.#unread.delete(name);
    return member(this.#object, name);
  }

  #nothing(name: string): null {
    this.#unread.delete(name);
    return null;
  }

  #decoded(
    name: string,
    decode: (text: string) => Uint8Array<ArrayBuffer>,
    encoding: string,
    least: number,
    most: number,
  ): Uint8Array<ArrayBuffer> {
    const expected = `${least === most ? least : `${least} to ${most}`} bytes in ${encoding}`;
    const text = this.#take(name);
    if (typeof text !== 'string') throw this.#wrong(name, expected);
    try {
      const bytes = decode(text);
      if (bytes.length >= least && bytes.length <= most) return bytes;
    } catch (error) {
      if (!(error instanceof EncodingError)) throw error;
    }
    throw this.#wrong(name, expected);
  }

  #wrong(name: string, expected: string): Error {
    return refused(`${this.#what}: the member "${name}" is not what it should be: ${expected}`);
  }
}

/** Text of a stranger, safe to print: quoted, escaped, cut. */
function shown(text: string): string {
  return printable(JSON.stringify(text.slice(0, 60)));
}

function parsed(text: Uint8Array | string, what: string): JsonValue {
  try {
    return parseJson(text, LIMITS);
  } catch (error) {
    if (error instanceof JsonError) throw refused(`${what} is not strict JSON: ${error.message}`, error);
    throw error;
  }
}
