import { createHash } from 'node:crypto';
import type { CallSalt } from '../audit/types.ts';

/**
 * `sha256:` over the call's 16 salt bytes, then the text's UTF-8 bytes; without a salt, over the text alone. A bare hash of
 * a card number is the card number, hence the salt (contracts section 3).
 */
export function payloadDigest(salt: CallSalt | null, text: string): string {
  const hash = createHash('sha256');
  if (salt !== null) hash.update(salt.salt);
  return `sha256:${hash.update(text, 'utf8').digest('hex')}`;
}
