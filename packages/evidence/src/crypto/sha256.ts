import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { encodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';

/** SHA-256 of bytes that come piece by piece. */
export interface RunningSha256 {
  update(bytes: Uint8Array): unknown;
  /** The 32 bytes, once. */
  digest(): Uint8Array;
}

/** An implementation of SHA-256. Those that are part of an engine are several times faster than the one that runs everywhere. */
export interface Sha256 {
  /** Of the UTF-8 bytes of `text`, as bare lower-case hex. */
  hex(text: string): string;
  start(): RunningSha256;
}

/** The one that runs everywhere. */
export const PORTABLE_SHA256: Sha256 = { hex: sha256Hex, start: () => nobleSha256.create() };

/** SHA-256. */
export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(nobleSha256(bytes));
}

/** SHA-256 of bytes, or of the UTF-8 bytes of a text, as bare lower-case hex. */
export function sha256Hex(input: Uint8Array | string): string {
  return encodeHex(sha256(typeof input === 'string' ? encodeUtf8(input) : input));
}

/** As {@link sha256Hex} with the prefix `sha256:` (wire-formats section 3). */
export function digest(input: Uint8Array | string): string {
  return `sha256:${sha256Hex(input)}`;
}
