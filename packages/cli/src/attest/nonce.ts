import { randomBytes } from 'node:crypto';
import { decodeHex } from '@cmcp/evidence';
import type { Arguments, Option } from '../arguments.ts';
import { UsageError } from '../io.ts';

export const NONCE_OPTION: Option = { value: 'HEX', help: 'The challenge: 16 to 64 bytes that whoever asks made up.' };

/** `--nonce`. @throws UsageError when it is missing or is not 16 to 64 bytes */
export function nonceOption(given: Arguments): Uint8Array<ArrayBuffer> {
  const text = given.one('nonce')?.toLowerCase() ?? '';
  if (!/^(?:[0-9a-f]{2}){16,64}$/.test(text)) {
    const example = randomBytes(32).toString('hex');
    throw new UsageError(`--nonce takes 16 to 64 bytes in hexadecimal, made up by whoever asks, such as ${example}`);
  }
  return decodeHex(text);
}
