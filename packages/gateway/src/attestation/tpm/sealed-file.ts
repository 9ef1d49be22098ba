import { canonicalSorted, decodeHex, EncodingError, encodeHex, isObject, JsonError, parseJson } from '@cmcp/evidence';
import { isSealedTo, LAST_SEALING_REGISTER, type SealedSecret } from './sealing.ts';

const FORM = 1;

/** The bytes of a sealed secret as a file: JSON, byte strings in lower-case hex. */
export function encodeSealed({ registers, parent, blob }: SealedSecret): Uint8Array<ArrayBuffer> {
  const text = canonicalSorted({
    cmcp_sealed: FORM,
    bank: 'sha256',
    registers: Object.fromEntries([...registers].map(([index, value]) => [String(index), encodeHex(value)])),
    parent: encodeHex(parent),
    public: encodeHex(blob.public),
    private: encodeHex(blob.private),
  });
  return new TextEncoder().encode(text);
}

/** Reads what {@link encodeSealed} wrote; null for anything else, and where the policy is not that of the registers it names. */
export function decodeSealed(bytes: Uint8Array): SealedSecret | null {
  try {
    const sealed = sealedIn(bytes);
    // Whatever was left out, added or spelled otherwise shows here.
    if (sealed === null || !Buffer.from(encodeSealed(sealed)).equals(bytes)) return null;
    return isSealedTo(sealed.blob, sealed.registers) ? sealed : null;
  } catch (error) {
    if (error instanceof JsonError || error instanceof EncodingError) return null;
    throw error;
  }
}

function sealedIn(bytes: Uint8Array): SealedSecret | null {
  const value = parseJson(bytes, { bytes: 65_536, depth: 3 });
  if (!isObject(value) || !isObject(value.registers)) return null;
  const named = Object.entries(value.registers).sort(([a], [b]) => Number(a) - Number(b));
  const registers = new Map(named.map(([index, held]) => [Number(index), hex(held)]));
  const sound = [...registers].every(
    ([index, held]) => Number.isInteger(index) && index >= 0 && index <= LAST_SEALING_REGISTER && held.length === 32,
  );
  if (!sound || registers.size === 0) return null;
  return {
    registers,
    parent: hex(value.parent),
    blob: { public: hex(value.public), private: hex(value.private) },
  };
}

function hex(value: unknown): Uint8Array<ArrayBuffer> {
  if (typeof value !== 'string') throw new EncodingError('not hexadecimal text');
  return decodeHex(value);
}
