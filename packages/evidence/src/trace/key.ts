import { isAcceptableKeyText } from '../crypto/ed25519.ts';
import type { TrustedKey } from '../expectations.ts';
import { asserted, type Finding, failed, proven } from '../finding.ts';
import { member } from '../json/value.ts';
import { pinOf } from '../trust.ts';
import type { TrustRecord } from './parse.ts';

/** The Ed25519 key in a record (`x`), or null: Trust Records are signed with no other. */
export function keyOf({ cnf: { jwk } }: TrustRecord): string | null {
  const x = member(jwk, 'x');
  const fits = member(jwk, 'kty') === 'OKP' && member(jwk, 'crv') === 'Ed25519' && typeof x === 'string';
  return fits && isAcceptableKeyText(x) ? x : null;
}

/** Whether the key in the record is one that the relying party trusts. The key alone shows only that the record is consistent. */
export function trustedKey(x: string | null, keys: readonly TrustedKey[]): Finding {
  if (x === null) return failed('the key in the record is not a valid Ed25519 public key');
  const pin = pinOf(x, keys);
  if (pin !== null) return proven('the key in the record is a trusted key', pin.source);
  const named = keys.filter((key) => key.remembered !== true);
  if (named.length === 0)
    return asserted('anyone can make a key such as the one in the record, and no trusted key was given', '--key FILE');
  return failed('the key in the record is not among the trusted keys', named.map(({ source }) => source).join(', '));
}
