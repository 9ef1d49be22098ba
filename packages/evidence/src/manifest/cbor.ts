import { type DecodeOptions, decode, encode, rfc8949EncodeOptions, Tagged, type Token, Tokenizer } from 'cborg';
import { equalBytes } from '../bytes/equal.ts';
import { FormatError } from '../format-error.ts';
import { JsonNumber, type JsonObject, type JsonValue, setMember } from '../json/value.ts';

/** Deepest nesting of an envelope; the deepest that the format knows is an approval's scope. */
const MAX_DEPTH = 32;

/** Shortest lengths, no indefinite lengths, no repeated keys, no `undefined`; nothing but the tags that are named. */
const STRICT: DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowNaN: false,
  allowInfinity: false,
  useMaps: true,
  rejectDuplicateMapKeys: true,
};

/**
 * One CBOR value with nothing after it (RFC 8949), maps as `Map`, the tags `tags` kept as `Tagged`.
 *
 * @param what names the value in errors
 * @throws FormatError
 */
export function decodeCbor(bytes: Uint8Array, what: string, tags: readonly number[] = []): unknown {
  const options = { ...STRICT, tags: Tagged.preserve(...tags) };
  const value = strictly(
    () => decode(bytes, { ...options, tokenizer: new ShallowTokenizer(bytes, options, what) }),
    what,
  );
  if (!hasPlainNames(value)) throw new FormatError(`${what} has a map with names that are neither integers nor text`);
  return value;
}

function strictly(work: () => unknown, what: string): unknown {
  try {
    return work();
  } catch (error) {
    if (error instanceof FormatError) throw error;
    // The one kind of error that the decoder has.
    if (!(error instanceof Error) || !error.message.startsWith('CBOR decode error')) throw error;
    throw new FormatError(`${what} is not strict CBOR: ${error.message.replace(/^CBOR decode error: ?/, '')}`);
  }
}

/** Whether maps are named as COSE names them: only then is a repeated name recognised, and is there an order of names. */
function hasPlainNames(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(hasPlainNames);
  if (value instanceof Tagged) return hasPlainNames(value.value);
  if (!(value instanceof Map)) return true;
  const names = [...value.keys()];
  return (
    names.every((name) => ['string', 'number', 'bigint'].includes(typeof name)) &&
    [...value.values()].every(hasPlainNames)
  );
}

/** Whether `bytes` is the one deterministic encoding of the value that it holds (RFC 8949 section 4.2.1). */
export function isDeterministic(bytes: Uint8Array, value: unknown): boolean {
  return equalBytes(encode(value, rfc8949EncodeOptions), bytes);
}

/** Encodes text and byte strings in an array, as signatures cover them. */
export function encodeCbor(items: (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encode(items));
}

/** A CBOR value as JSON. @throws FormatError for what JSON has not: byte strings, tags, names that are not text */
export function cborToJson(value: unknown, what: string): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : new JsonNumber(String(value));
  if (typeof value === 'bigint') return new JsonNumber(String(value));
  if (Array.isArray(value)) return value.map((item) => cborToJson(item, what));
  if (!(value instanceof Map)) throw new FormatError(`${what} holds something that JSON has no form for`);
  const object: JsonObject = {};
  for (const [key, item] of value) {
    if (typeof key !== 'string') throw new FormatError(`${what} holds a name that is not text`);
    setMember(object, key, cborToJson(item, what));
  }
  return object;
}

/** Reads tokens as the decoder's own tokenizer does, and stops where values nest too deeply: the decoder recurses. */
class ShallowTokenizer {
  readonly #inner: Tokenizer;
  readonly #what: string;
  /** How many values each open container still waits for. */
  readonly #waiting: number[] = [];

  constructor(bytes: Uint8Array, options: DecodeOptions, what: string) {
    this.#inner = new Tokenizer(bytes, options);
    this.#what = what;
  }

  done(): boolean {
    return this.#inner.done();
  }

  pos(): number {
    return this.#inner.pos();
  }

  next(): Token {
    const token = this.#inner.next();
    const last = this.#waiting.length - 1;
    if (last >= 0) this.#waiting[last] = (this.#waiting[last] ?? 0) - 1;
    const children = childrenOf(token);
    if (children > 0) this.#waiting.push(children);
    while (this.#waiting.at(-1) === 0) this.#waiting.pop();
    if (this.#waiting.length > MAX_DEPTH) throw new FormatError(`${this.#what} nests deeper than ${MAX_DEPTH} levels`);
    return token;
  }
}

function childrenOf({ type, value }: Token): number {
  if (type.name === 'array') return Number(value);
  if (type.name === 'map') return 2 * Number(value);
  return type.name === 'tag' ? 1 : 0;
}
