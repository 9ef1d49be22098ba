import { FormatError } from '../format-error.ts';
import { type DerNode, TAG } from './der.ts';

/** A distinguished name. Two names are the same when their DER is. */
export interface Name {
  der: Uint8Array<ArrayBuffer>;
  /** For people: the attributes in the order in which they are encoded, for example `CN=ARK-Milan, O=Advanced Micro Devices`. */
  text: string;
  /** For sentences: the common name alone where there is exactly one, else as `text`. */
  short: string;
  /** The common name, when there is exactly one. */
  commonName: string | null;
}

const COMMON_NAME = '2.5.4.3';
/** Attribute types that have a short name (RFC 4514 section 3, and what vendors use besides). */
const SHORT_NAMES = new Map([
  [COMMON_NAME, 'CN'],
  ['2.5.4.5', 'serialNumber'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.25', 'DC'],
]);

/** A Name (RFC 5280 section 4.1.2.4). @throws FormatError */
export function parseName(node: DerNode): Name {
  const attributes = node.children(TAG.sequence).map((set) => set.children(TAG.set).map(attributeOf));
  if (attributes.some((set) => set.length === 0)) throw new FormatError('name: a part of it is empty');
  const commonNames = attributes.flat().filter(({ oid }) => oid === COMMON_NAME);
  const text = attributes.map((set) => set.map(shown).join(' + ')).join(', ');
  const [only, ...others] = commonNames;
  return only === undefined || others.length > 0
    ? { der: node.bytes, text, short: text, commonName: null }
    : { der: node.bytes, text, short: shown(only), commonName: only.value };
}

interface Attribute {
  oid: string;
  value: string;
}

function attributeOf(node: DerNode): Attribute {
  const [oid, value, ...rest] = node.children(TAG.sequence);
  if (oid === undefined || value === undefined || rest.length > 0)
    throw new FormatError('name: an attribute is not one');
  return { oid: oid.oid(), value: value.text() };
}

/** A name is written by whoever made the certificate: what could be taken for structure, or moves the cursor, is escaped. */
function shown({ oid, value }: Attribute): string {
  const text = value.replace(/[\\,+"]|[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    /[\\,+"]/.test(character) ? `\\${character}` : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return `${SHORT_NAMES.get(oid) ?? oid}=${text}`;
}
