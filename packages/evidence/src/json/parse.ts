import { decodeUtf8, EncodingError, utf8Length } from '../bytes/utf8.ts';
import { JsonError, type JsonErrorCode } from './error.ts';
import { JsonNumber, type JsonObject, type JsonValue, setMember } from './value.ts';

/** Bounds that a text must keep. Every one is checked before the memory that it guards is used. */
export interface JsonLimits {
  /** Size of the text in UTF-8 bytes. */
  bytes: number;
  /** Nested arrays and objects; never more than {@link MAX_JSON_DEPTH}. */
  depth: number;
  /** Values in the whole text, counting every scalar, array and object once. */
  items: number;
  /** Characters of one number. */
  numberLength: number;
}

/** No nesting beyond this is accepted whatever the caller asks: recursion over a parsed value can then not exhaust the stack. */
export const MAX_JSON_DEPTH = 512;

const DEFAULTS: JsonLimits = { bytes: 16 * 1024 * 1024, depth: 128, items: 1_000_000, numberLength: 1000 };

/**
 * Parses one JSON text (RFC 8259), strictly: valid UTF-8 without a byte order mark, no duplicate key at any depth (compared
 * after unescaping), no lone surrogate, and within `limits`. Numbers keep their meaning: see {@link JsonNumber}.
 *
 * @throws JsonError and nothing else
 */
export function parseJson(input: Uint8Array | string, limits: Partial<JsonLimits> = {}): JsonValue {
  const bounds = { ...DEFAULTS, ...limits };
  const text = toText(input, bounds.bytes);
  const parser = new Parser(text, { ...bounds, depth: Math.min(bounds.depth, MAX_JSON_DEPTH) });
  return parser.document();
}

function toText(input: Uint8Array | string, maxBytes: number): string {
  const size = typeof input === 'string' ? utf8Length(input, maxBytes) : input.length;
  if (size > maxBytes) throw new JsonError('TOO_LARGE', 0, `the text is larger than ${maxBytes} bytes`);
  const text = typeof input === 'string' ? input : decode(input);
  if (!text.isWellFormed()) throw new JsonError('LONE_SURROGATE', 0, 'the text holds an unpaired surrogate');
  if (text.charCodeAt(0) === 0xfeff) throw new JsonError('ENCODING', 0, 'the text starts with a byte order mark');
  return text;
}

function decode(input: Uint8Array): string {
  try {
    return decodeUtf8(input);
  } catch (error) {
    if (error instanceof EncodingError) throw new JsonError('ENCODING', 0, 'the text is not valid UTF-8');
    throw error;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;

const SIMPLE_ESCAPES = new Map<number, string>([
  [QUOTE, '"'],
  [BACKSLASH, '\\'],
  [0x2f, '/'],
  [0x62, '\b'],
  [0x66, '\f'],
  [0x6e, '\n'],
  [0x72, '\r'],
  [0x74, '\t'],
]);

/** Single pass, recursive descent: the depth bound keeps the recursion shallow. */
class Parser {
  readonly #text: string;
  readonly #limits: JsonLimits;
  #at = 0;
  #items = 0;
  #depth = 0;

  constructor(text: string, limits: JsonLimits) {
    this.#text = text;
    this.#limits = limits;
  }

  document(): JsonValue {
    this.#skipSpace();
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail('SYNTAX', 'there is text after the value');
    return value;
  }

  #fail(code: JsonErrorCode, message: string): never {
    throw new JsonError(code, this.#at, `${message} (at character ${this.#at})`);
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #value(): JsonValue {
    this.#items++;
    if (this.#items > this.#limits.items) {
      this.#fail('TOO_MANY_ITEMS', `the text holds more than ${this.#limits.items} values`);
    }
    switch (this.#text.charCodeAt(this.#at)) {
      case 0x7b:
        return this.#object();
      case 0x5b:
        return this.#array();
      case QUOTE:
        return this.#string();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('SYNTAX', 'a value was expected');
    this.#at += word.length;
    return value;
  }

  #enter(): void {
    this.#depth++;
    if (this.#depth > this.#limits.depth) {
      this.#fail('TOO_DEEP', `the text nests deeper than ${this.#limits.depth} levels`);
    }
    this.#at++;
    this.#skipSpace();
  }

  /** After an element: true when another follows, false when `close` ended the container. */
  #another(close: number): boolean {
    this.#skipSpace();
    const code = this.#text.charCodeAt(this.#at);
    if (code !== COMMA && code !== close)
      this.#fail('SYNTAX', 'a comma or the end of the array or object was expected');
    this.#at++;
    if (code === close) {
      this.#depth--;
      return false;
    }
    this.#skipSpace();
    return true;
  }

  #closesAtOnce(close: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== close) return false;
    this.#at++;
    this.#depth--;
    return true;
  }

  #array(): JsonValue[] {
    const array: JsonValue[] = [];
    this.#enter();
    if (this.#closesAtOnce(0x5d)) return array;
    do {
      array.push(this.#value());
    } while (this.#another(0x5d));
    return array;
  }

  #object(): JsonObject {
    const object: JsonObject = {};
    this.#enter();
    if (this.#closesAtOnce(0x7d)) return object;
    do {
      if (this.#text.charCodeAt(this.#at) !== QUOTE) this.#fail('SYNTAX', 'a member name in quotes was expected');
      const start = this.#at;
      const key = this.#string();
      if (Object.hasOwn(object, key)) {
        this.#at = start;
        this.#fail('DUPLICATE_KEY', 'an object has two members of the same name');
      }
      this.#skipSpace();
      if (this.#text.charCodeAt(this.#at) !== COLON) this.#fail('SYNTAX', 'a colon was expected');
      this.#at++;
      this.#skipSpace();
      setMember(object, key, this.#value());
    } while (this.#another(0x7d));
    return object;
  }

  #string(): string {
    const text = this.#text;
    let start = ++this.#at;
    let built = '';
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (code === QUOTE) {
        built += text.slice(start, this.#at);
        this.#at++;
        return built;
      }
      if (code === BACKSLASH) {
        built += text.slice(start, this.#at) + this.#escape();
        start = this.#at;
      } else if (code >= 0x20) {
        this.#at++;
      } else {
        // A control character, or NaN past the end.
        this.#fail('SYNTAX', this.#at < text.length ? 'a control character must be escaped' : 'a string is not closed');
      }
    }
  }

  #escape(): string {
    const code = this.#text.charCodeAt(this.#at + 1);
    const simple = SIMPLE_ESCAPES.get(code);
    if (simple !== undefined) {
      this.#at += 2;
      return simple;
    }
    if (code !== 0x75) this.#fail('SYNTAX', 'an unknown escape');
    const unit = this.#unit();
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    const paired = unit < 0xdc00 && this.#text.startsWith('\\u', this.#at);
    const low = paired ? this.#unit() : 0;
    if (low < 0xdc00 || low > 0xdfff) this.#fail('LONE_SURROGATE', 'an escape is an unpaired surrogate');
    return String.fromCharCode(unit, low);
  }

  /** One `\uXXXX`. */
  #unit(): number {
    let unit = 0;
    for (let i = this.#at + 2; i < this.#at + 6; i++) {
      const digit = hexDigit(this.#text.charCodeAt(i));
      if (digit < 0) this.#fail('SYNTAX', 'four hexadecimal digits were expected');
      unit = unit * 16 + digit;
    }
    this.#at += 6;
    return unit;
  }

  #number(): number | JsonNumber {
    const text = this.#text;
    const start = this.#at;
    if (text.charCodeAt(this.#at) === MINUS) this.#at++;
    if (text.charCodeAt(this.#at) === 0x30) this.#at++;
    else this.#digits();
    const integerEnd = this.#at;
    if (text.charCodeAt(this.#at) === DOT) {
      this.#at++;
      this.#digits();
    }
    if ((text.charCodeAt(this.#at) | 0x20) === 0x65) {
      this.#at++;
      const sign = text.charCodeAt(this.#at);
      if (sign === PLUS || sign === MINUS) this.#at++;
      this.#digits();
    }
    if (this.#at - start > this.#limits.numberLength) {
      this.#fail('NUMBER_TOO_LONG', `a number is longer than ${this.#limits.numberLength} characters`);
    }
    const lexeme = text.slice(start, this.#at);
    const number = Number(lexeme);
    if (this.#at !== integerEnd && !Number.isFinite(number)) {
      // Nothing that computes with it could read it, and no canonical form can write it.
      this.#fail('NUMBER_RANGE', 'a number is beyond the range of a double');
    }
    const exact = this.#at === integerEnd && Number.isSafeInteger(number) && lexeme !== '-0';
    return exact ? number : new JsonNumber(lexeme);
  }

  /** One or more digits. */
  #digits(): void {
    const start = this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (!(code >= 0x30 && code <= 0x39)) break;
      this.#at++;
    }
    if (this.#at === start)
      this.#fail('SYNTAX', start < this.#text.length ? 'a value was expected' : 'the text ends early');
  }
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
