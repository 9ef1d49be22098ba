import { encodeUtf8 } from '../bytes/utf8.ts';
import { PORTABLE_SHA256, type RunningSha256, type Sha256, sha256Hex } from '../crypto/sha256.ts';
import { canonicalSorted, canonicalSortedBoth, canonicalSortedWithout } from '../json/canonical.ts';
import type { JsonLine } from '../json/line.ts';
import { writeNatively } from '../json/native.ts';
import type { JsonObject } from '../json/value.ts';

/** `entry_hash` of an entry: hex SHA-256 over its sorted canonical form without `entry_hash`, with exactly the members it has. */
export function entryHash(entry: JsonObject): string {
  return sha256Hex(canonicalSortedWithout(entry, 'entry_hash'));
}

/** The sorted canonical form of an entry, as it is hashed twice: for its own hash and for the bundle's. */
export interface EntryForm {
  readonly whole: Uint8Array;
  /** The form that it has without `entry_hash`. */
  readonly withoutHash: string;
}

/**
 * The form of an entry, written once or not at all. What the strict parser accepted has one: no number is beyond printing.
 *
 * @param hash its `entry_hash`
 * @param line the line that it came on, if that is its form already
 */
export function entryForm(entry: JsonObject, hash: string, line: JsonLine['canonical']): EntryForm {
  if (line !== null) return { whole: line.bytes, withoutHash: withoutHash(line.text, hash) };
  const native = writeNatively(entry);
  if (native !== null) return { whole: encodeUtf8(native), withoutHash: withoutHash(native, hash) };
  const { whole, without } = canonicalSortedBoth(entry, 'entry_hash');
  return { whole: encodeUtf8(whole), withoutHash: without };
}

/**
 * The form of an entry without its `entry_hash`, cut out of the whole. `entry_id` follows that, so that a comma does. The same text
 * further in front could only be inside `detail`: what is left then holds the very hash that it would have to have, and nothing does.
 */
function withoutHash(text: string, hash: string): string {
  const own = `"entry_hash":"${hash}",`;
  const start = text.indexOf(own);
  return text.slice(0, start) + text.slice(start + own.length);
}

const OPEN = encodeUtf8('[');
const COMMA = encodeUtf8(',');
const CLOSE = encodeUtf8(']');

/** What `bundle_signature` is made over: SHA-256 of the sorted canonical form of the array of entries. */
export function bundleDigest(entries: readonly JsonObject[]): Uint8Array<ArrayBuffer> {
  const digest = new BundleDigest(PORTABLE_SHA256);
  for (const entry of entries) digest.add(encodeUtf8(canonicalSorted(entry)));
  return digest.end();
}

/** {@link bundleDigest} entry by entry: a long session would not fit into one string. */
export class BundleDigest {
  readonly #hash: RunningSha256;
  #empty = true;

  constructor(hashing: Sha256) {
    this.#hash = hashing.start();
  }

  /** @param whole the sorted canonical form of the next entry */
  add(whole: Uint8Array): void {
    this.#hash.update(this.#empty ? OPEN : COMMA);
    this.#hash.update(whole);
    this.#empty = false;
  }

  end(): Uint8Array<ArrayBuffer> {
    if (this.#empty) this.#hash.update(OPEN);
    this.#hash.update(CLOSE);
    return new Uint8Array(this.#hash.digest());
  }
}

/** What the signature of a checkpoint is made over (contracts section 2). */
export function checkpointPreimage(checkpoint: JsonObject): Uint8Array<ArrayBuffer> {
  return encodeUtf8(`cmcp-checkpoint-v1|${canonicalSortedWithout(checkpoint, 'signature')}`);
}
