import { sha256 } from '../crypto/sha256.ts';

/** A first byte that differs keeps a leaf from ever being taken for a node (RFC 9162 section 2.1.1). */
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The leaf that stands for `content`. */
export function contentHash(content: Uint8Array): Uint8Array<ArrayBuffer> {
  return joined(LEAF, content);
}

/** The node over two others. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  return joined(NODE, left, right);
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return sha256(bytes);
}
