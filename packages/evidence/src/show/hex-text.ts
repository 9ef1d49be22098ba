import { decodeHex } from '../bytes/hex.ts';
import { FormatError } from '../format-error.ts';

/** Longer ones are data of another kind. */
const MAX_LENGTH = 4096;

const FORM = /^[ \t\r\n]*[0-9a-f][0-9a-f \t\r\n]*$/i;

/** Whether the file is no more than hexadecimal digits and white space. */
export function isHexText(bytes: Uint8Array): boolean {
  return bytes.length <= MAX_LENGTH && FORM.test(String.fromCharCode(...bytes));
}

/** The bytes that a text of hexadecimal digits, of either case, stands for. @throws FormatError for half a byte */
export function hexMembers(bytes: Uint8Array): unknown {
  const digits = String.fromCharCode(...bytes)
    .replace(/[ \t\r\n]/g, '')
    .toLowerCase();
  if (digits.length % 2 !== 0) throw new FormatError(`${digits.length} digits are not whole bytes`);
  return { length: `${digits.length / 2} bytes`, bytes: decodeHex(digits) };
}
