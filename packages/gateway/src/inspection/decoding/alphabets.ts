import { readable } from './readable.ts';

const HEX = /^[0-9a-f]+$/i;
const BASE32 = /^[A-Z2-7]{16,}$/;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** Base64 of a text has letters of both cases, or digits among letters. */
const MIXED = /[a-z][^a-z]{0,40}[A-Z]|[A-Z][^A-Z]{0,40}[a-z]|\d[g-z]\d/;
/** A run may have been glued to a word before it, which shifts the groups. A short one is most often a name of something. */
const SHIFTS = [0, 1, 2, 3];
const SHORT = 32;

/** What a run of letters and digits says in hex, base32 or base64; null: nothing. */
export function decodedRun(run: string): { text: string; via: 'hex' | 'base64' } | null {
  const digits = run.replace(/^0x/i, '');
  if (HEX.test(digits)) {
    const text = readable(Buffer.from(digits.slice(0, digits.length - (digits.length % 2)), 'hex'));
    if (text !== null) return { text, via: 'hex' };
  }
  const text = (BASE32.test(run) ? readable(base32(run)) : null) ?? base64(run);
  return text === null ? null : { text, via: 'base64' };
}

function base64(run: string): string | null {
  if (!MIXED.test(run)) return null;
  for (const shift of run.length < SHORT ? [0] : SHIFTS) {
    // Both alphabets, with padding or without.
    const text = readable(Buffer.from(run.slice(shift), 'base64'));
    if (text !== null) return text;
  }
  return null;
}

function base32(run: string): Buffer {
  const bytes = Buffer.alloc(Math.floor((run.length * 5) / 8));
  let [held, bits, size] = [0, 0, 0];
  for (const digit of run) {
    held = ((held << 5) | DIGITS.indexOf(digit)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[size] = (held >> bits) & 0xff;
    size += 1;
  }
  return bytes.subarray(0, size);
}
