import { encodeUtf8 } from '../bytes/utf8.ts';
import { canonicalSorted } from '../json/canonical.ts';
import type { JsonObject } from '../json/value.ts';
import { contentHash } from '../merkle/hash.ts';

/**
 * The leaf of a signed claim or record, its signature included (wire-formats section 12).
 *
 * @throws JsonError for a value that JSON cannot carry
 */
export function leafHash(signed: JsonObject): Uint8Array<ArrayBuffer> {
  return contentHash(encodeUtf8(canonicalSorted(signed)));
}
