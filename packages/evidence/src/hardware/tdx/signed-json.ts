import { decodeHex } from '../../bytes/hex.ts';
import { decodeUtf8, EncodingError, encodeUtf8 } from '../../bytes/utf8.ts';
import { FormatError } from '../../format-error.ts';
import { JsonError } from '../../json/error.ts';
import { parseJson } from '../../json/parse.ts';
import { isObject, type JsonValue } from '../../json/value.ts';
import { object, openObject, text } from '../../shape.ts';

/** An object that Intel signed, as the bytes that were signed: a text that is parsed and written again may be another. */
export interface SignedJson {
  /** The object's text, exactly as received: what the signature covers, and what is then read. */
  body: Uint8Array<ArrayBuffer>;
  /** r and s, 32 bytes each, big-endian. */
  signature: Uint8Array<ArrayBuffer>;
}

const LIMITS = { bytes: 1024 * 1024, depth: 16, items: 100_000 };
const SIGNATURE = /^[0-9a-fA-F]{128}$/;

/**
 * Takes a response of Intel's provisioning service apart: `{"<member>": {…}, "signature": "<hex>"}`.
 *
 * @throws FormatError
 */
export function readSignedJson(bytes: Uint8Array<ArrayBuffer>, member: 'tcbInfo' | 'enclaveIdentity'): SignedJson {
  const value = parseStrictly(bytes, member);
  const problem = object({ [member]: openObject(), signature: text() })(value, 'collateral');
  if (problem !== null || !isObject(value)) throw new FormatError(problem ?? 'collateral is not an object');
  const source = decodeUtf8(bytes);
  const start = memberStart(source, member);
  return signedJson(source.slice(start, objectEnd(source, start)), String(value.signature));
}

/**
 * The same from a text and a signature that came apart.
 *
 * @throws FormatError
 */
export function signedJson(body: string, signature: string): SignedJson {
  if (!SIGNATURE.test(signature)) throw new FormatError('the signature of the collateral is not 64 bytes of hex');
  return { body: utf8(body), signature: decodeHex(signature.toLowerCase()) };
}

/** @throws FormatError unless `bytes` are one strict JSON text within the bounds of collateral */
export function parseStrictly(bytes: Uint8Array, what: string): JsonValue {
  try {
    return parseJson(bytes, LIMITS);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`${what}: ${error.message}`);
    throw error;
  }
}

function utf8(body: string): Uint8Array<ArrayBuffer> {
  try {
    return encodeUtf8(body);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(error.message);
    throw error;
  }
}

/**
 * Where the object `member` starts. `source` is valid JSON whose only other member is a text, so nothing nested comes before it, and
 * a text that is followed by a colon is a name.
 */
function memberStart(source: string, member: string): number {
  for (let at = source.indexOf('"'); at >= 0; at = source.indexOf('"', at)) {
    const end = stringEnd(source, at);
    const value = /^[ \t\r\n]*:[ \t\r\n]*(?=\{)/.exec(source.slice(end, end + 100));
    if (value !== null && source.slice(at + 1, end - 1) === member) return end + value[0].length;
    at = end;
  }
  throw new FormatError(`${member} is not written in a form that can be located`);
}

/** Where the object that starts at `start` ends. */
function objectEnd(source: string, start: number): number {
  let depth = 0;
  for (let at = start; at < source.length; at++) {
    const character = source[at];
    if (character === '"') at = stringEnd(source, at) - 1;
    else if (character === '{') depth++;
    else if (character === '}' && --depth === 0) return at + 1;
  }
  throw new FormatError('an object is not closed');
}

/** Where the string that starts at `start` ends, after its closing quote. */
function stringEnd(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === '\\') at++;
    else if (source[at] === '"') return at + 1;
  }
  return source.length;
}
