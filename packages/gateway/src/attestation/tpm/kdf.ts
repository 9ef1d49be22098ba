import { createHash, createHmac } from 'node:crypto';

/** Hash functions that names, sessions and keys are derived with. */
export type KdfHash = 'sha256' | 'sha384' | 'sha512';

/** Labels end in a zero byte that counts as part of them (TPM 2.0 Part 1, section 11.4.10.2). */
const LABEL_END = Uint8Array.of(0);

/**
 * KDFa: SP 800-108 in counter mode with HMAC (TPM 2.0 Part 1, section 11.4.10.2).
 *
 * @param bits length of the result, a multiple of 8
 * @throws RangeError for another number of bits: a caller's mistake
 */
export function kdfa(
  hash: KdfHash,
  key: Uint8Array,
  label: string,
  contextU: Uint8Array,
  contextV: Uint8Array,
  bits: number,
): Uint8Array<ArrayBuffer> {
  return derived(bits, (counter) =>
    createHmac(hash, key)
      .update(u32(counter))
      .update(label)
      .update(LABEL_END)
      .update(contextU)
      .update(contextV)
      .update(u32(bits))
      .digest(),
  );
}

/**
 * KDFe: the concatenation KDF of SP 800-56A over an ECDH secret (TPM 2.0 Part 1, section 11.4.10.3).
 *
 * @param z x-coordinate of the shared point, as wide as the field
 * @param partyU x-coordinate of the public point of the side that began, as wide as the field
 * @param bits length of the result, a multiple of 8
 * @throws RangeError for another number of bits: a caller's mistake
 */
export function kdfe(
  hash: KdfHash,
  z: Uint8Array,
  label: string,
  partyU: Uint8Array,
  partyV: Uint8Array,
  bits: number,
): Uint8Array<ArrayBuffer> {
  return derived(bits, (counter) =>
    createHash(hash)
      .update(u32(counter))
      .update(z)
      .update(label)
      .update(LABEL_END)
      .update(partyU)
      .update(partyV)
      .digest(),
  );
}

/** Blocks, counted from 1, as many as the result needs. */
function derived(bits: number, block: (counter: number) => Uint8Array): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(bits) || bits <= 0 || bits % 8 !== 0) throw new RangeError(`a key of ${bits} bits`);
  const result = new Uint8Array(bits / 8);
  for (let at = 0, counter = 1; at < result.length; counter++) {
    const bytes = block(counter);
    result.set(bytes.subarray(0, result.length - at), at);
    at += bytes.length;
  }
  return result;
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
