import { decodeUtf8, EncodingError } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';

/** Identifier octets of the types that certificates use (X.690 section 8). */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8: 0x0c,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Identifier octet of a context-specific tag that wraps another value. */
export const explicitTag = (number: number): number => 0xa0 | number;

const CONSTRUCTED = 0x20;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const BMP_STRING = 0x1e;
/** NumericString, PrintableString, IA5String, VisibleString. */
const ASCII_STRINGS: readonly number[] = [0x12, 0x13, 0x16, 0x1a];
const TELETEX_STRING = 0x14;
/** More octets than any registered object identifier has; bounds the arithmetic. */
const MAX_OID_LENGTH = 64;
/** The longest list of flags in a certificate, KeyUsage, has nine of them. */
const MAX_NAMED_OCTETS = 8;

/** One value in DER. Its accessors check the type and the encoding, and throw FormatError when either is wrong. */
export class DerNode {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number;
  /** The whole encoding, header included. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly content: Uint8Array<ArrayBuffer>;
  readonly #what: string;

  constructor(tag: number, bytes: Uint8Array<ArrayBuffer>, content: Uint8Array<ArrayBuffer>, what: string) {
    this.tag = tag;
    this.bytes = bytes;
    this.content = content;
    this.#what = what;
  }

  /** The values inside a constructed value, which must be a `tag` where one is given. */
  children(tag: number = this.tag): DerNode[] {
    this.#expect(tag);
    if ((this.tag & CONSTRUCTED) === 0) this.#fail('a primitive value has nothing inside');
    return readDerSeries(this.content, this.#what);
  }

  /** The value at `index` inside a constructed value. */
  child(index: number): DerNode {
    return this.children()[index] ?? this.#fail(`a value has no part ${index}`);
  }

  /** The one value inside a constructed value, which must be a `tag`. */
  only(tag: number): DerNode {
    const [child, ...rest] = this.children(tag);
    if (child === undefined || rest.length > 0) this.#fail('a value should hold exactly one other');
    return child;
  }

  /** An object identifier in dotted form. */
  oid(): string {
    const arcs: bigint[] = [];
    let arc: bigint | null = null;
    const content = this.#expect(TAG.oid);
    if (content.length > MAX_OID_LENGTH) this.#fail('an object identifier is too long');
    for (const octet of content) {
      if (arc === null && octet === 0x80) this.#fail('an object identifier is padded');
      const value: bigint = ((arc ?? 0n) << 7n) | BigInt(octet & 0x7f);
      arc = (octet & 0x80) === 0 ? null : value;
      if (arc === null) arcs.push(value);
    }
    const [first, ...rest] = arcs;
    if (first === undefined || arc !== null) this.#fail('an object identifier is cut short');
    const root = first < 80n ? first / 40n : 2n;
    return [root, first - 40n * root, ...rest].join('.');
  }

  integer(): bigint {
    const content = this.#integerContent();
    return BigInt.asIntN(content.length * 8, bigIntOf(content));
  }

  /** The octets of an integer that is not negative, without the octet that only says so; one zero octet for zero. */
  unsigned(): Uint8Array<ArrayBuffer> {
    const content = this.#integerContent();
    if ((content[0] ?? 0) >= 0x80) this.#fail('an integer is negative');
    return content[0] === 0 && content.length > 1 ? content.subarray(1) : content;
  }

  /** A bit string of whole octets. */
  bitString(): Uint8Array<ArrayBuffer> {
    const content = this.#expect(TAG.bitString);
    if (content[0] !== 0) this.#fail('a bit string does not end with a whole octet');
    return content.subarray(1);
  }

  /** The indexes of the bits that a bit string sets, the first bit being 0. */
  namedBits(): number[] {
    const [unused, ...octets] = this.#expect(TAG.bitString);
    const last = octets.at(-1) ?? 0;
    if (octets.length > MAX_NAMED_OCTETS) this.#fail('a list of flags is too long');
    if (unused === undefined || unused > (octets.length === 0 ? 0 : 7) || (last & ((1 << unused) - 1)) !== 0) {
      this.#fail('a bit string has stray bits at its end');
    }
    return octets.flatMap((octet, i) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (octet & (0x80 >> bit)) !== 0).map((bit) => 8 * i + bit),
    );
  }

  octetString(): Uint8Array<ArrayBuffer> {
    return this.#expect(TAG.octetString);
  }

  bool(): boolean {
    const content = this.#expect(TAG.boolean);
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) this.#fail('a truth value is neither');
    return content[0] === 0xff;
  }

  /** The text of any of the string types that names use. */
  text(): string {
    try {
      if (this.tag === TAG.utf8) return decodeUtf8(this.content);
    } catch (error) {
      if (error instanceof EncodingError) this.#fail(error.message);
      throw error;
    }
    if (this.tag === BMP_STRING && this.content.length % 2 === 0) return this.#utf16();
    const ascii = ASCII_STRINGS.includes(this.tag);
    // A Teletex string is Latin-1 in practice; no genuine name needs more.
    if (!ascii && this.tag !== TELETEX_STRING) this.#fail('a text is of a type that is not known');
    if (ascii && this.content.some((octet) => octet >= 0x80)) this.#fail('a text has a character outside of its type');
    return Array.from(this.content, (octet) => String.fromCharCode(octet)).join('');
  }

  /** Seconds since the epoch of a UTCTime (years 1950 to 2049) or GeneralizedTime, to the second and in UTC (RFC 5280 section 4.1.2.5). */
  time(): number {
    const digits = Array.from(this.content, (octet) => String.fromCharCode(octet)).join('');
    const short = this.tag === UTC_TIME;
    if (!short && this.tag !== GENERALIZED_TIME) this.#fail('a time is of another type');
    if (!(short ? /^\d{12}Z$/ : /^\d{14}Z$/).test(digits)) this.#fail('a time has not the form that is required');
    const full = short ? `${Number(digits.slice(0, 2)) < 50 ? '20' : '19'}${digits}` : digits;
    const iso = full.replace(/(....)(..)(..)(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6.000Z');
    const date = new Date(iso);
    // A date that does not exist is either no date or another one.
    if (Number.isNaN(date.getTime()) || date.toISOString() !== iso) this.#fail('a date does not exist');
    return date.getTime() / 1000;
  }

  #integerContent(): Uint8Array<ArrayBuffer> {
    const content = this.#expect(TAG.integer);
    const [first, second = 0] = content;
    if (first === undefined) this.#fail('an integer is empty');
    const padded = (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
    if (padded && content.length > 1) this.#fail('an integer is padded');
    return content;
  }

  #utf16(): string {
    let text = '';
    for (let i = 0; i < this.content.length; i += 2) {
      text += String.fromCharCode(((this.content[i] ?? 0) << 8) | (this.content[i + 1] ?? 0));
    }
    return text.isWellFormed() ? text : this.#fail('a text holds half a character');
  }

  #expect(tag: number): Uint8Array<ArrayBuffer> {
    if (this.tag !== tag) this.#fail(`type 0x${tag.toString(16)} was expected, 0x${this.tag.toString(16)} is there`);
    return this.content;
  }

  #fail(problem: string): never {
    throw new FormatError(`${this.#what}: ${problem}`);
  }
}

/** The value of big-endian octets. */
export function bigIntOf(octets: Uint8Array): bigint {
  let digits = '0x0';
  for (const octet of octets) digits += octet.toString(16).padStart(2, '0');
  return BigInt(digits);
}

/**
 * The one DER value that `bytes` are: definite lengths in their shortest form, nothing after it (X.690 section 10).
 *
 * @param what names the structure in errors
 * @throws FormatError
 */
export function readDer(bytes: Uint8Array<ArrayBuffer>, what: string): DerNode {
  const node = readOne(bytes, what);
  const surplus = bytes.length - node.bytes.length;
  if (surplus > 0) throw new FormatError(`${what}: ${surplus} bytes follow its end`);
  return node;
}

/** The DER values that `bytes` are, one after the other. @throws FormatError */
export function readDerSeries(bytes: Uint8Array<ArrayBuffer>, what: string): DerNode[] {
  const nodes: DerNode[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const node = readOne(rest, what);
    nodes.push(node);
    rest = rest.subarray(node.bytes.length);
  }
  return nodes;
}

function readOne(bytes: Uint8Array<ArrayBuffer>, what: string): DerNode {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) throw new FormatError(`${what}: it is cut short`);
  if ((tag & 0x1f) === 0x1f) throw new FormatError(`${what}: a tag takes more than one byte`);
  const { header, length } = first < 0x80 ? { header: 2, length: first } : longLength(bytes, first & 0x7f, what);
  if (length > bytes.length - header) throw new FormatError(`${what}: it is cut short`);
  return new DerNode(tag, bytes.subarray(0, header + length), bytes.subarray(header, header + length), what);
}

function longLength(bytes: Uint8Array, count: number, what: string): { header: number; length: number } {
  // Four length octets say more than any certificate is long; zero of them is the indefinite form of BER.
  if (count === 0 || count > 4) throw new FormatError(`${what}: a length is not in the form of DER`);
  // Where fewer are left, the value that they begin is cut short too.
  const octets = bytes.subarray(2, 2 + count);
  const length = octets.reduce((value, octet) => value * 256 + octet, 0);
  if (length < 0x80 || octets[0] === 0) throw new FormatError(`${what}: a length is padded`);
  return { header: 2 + count, length };
}

/** DER of a value with this identifier octet and these contents. */
export function writeDer(tag: number, ...contents: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const lengthOctets: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) lengthOctets.unshift(left % 256);
  const header = length < 0x80 ? [tag, length] : [tag, 0x80 | lengthOctets.length, ...lengthOctets];
  const bytes = new Uint8Array(header.length + length);
  bytes.set(header);
  let at = header.length;
  for (const part of contents) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
