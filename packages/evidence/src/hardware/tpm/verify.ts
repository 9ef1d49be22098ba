import { equalBytes } from '../../bytes/equal.ts';
import { encodeHex } from '../../bytes/hex.ts';
import type { PublicKey } from '../../crypto/key.ts';
import { HASH_LENGTH, type HashName, hash } from '../../crypto/sha2.ts';
import { p1363, type Scheme, verifySignature } from '../../crypto/signature.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import type { TpmQuote } from './parse.ts';
import { type PcrValues, selectedValues } from './pcr-values.ts';
import type { TpmPublic } from './public-area.ts';
import type { TpmSignature } from './signature.ts';

/** Who should have signed a TPMS_ATTEST. Whether that key is to be trusted is another question. */
export interface AttestSigner {
  /** null: no key was presented. */
  key: PublicKey | null;
  /** The public area of the key, where one was presented: it names the one scheme that the key has. */
  area: TpmPublic | null;
  /** A certificate in the chain of the key is signed with SHA-1. */
  weakChain: boolean;
}

/** Whether the key signed a TPMS_ATTEST. `signed` are its inner bytes: a size in front is not signed. */
export async function attestSignature(
  signed: Uint8Array<ArrayBuffer>,
  signature: TpmSignature,
  { key, area }: AttestSigner,
): Promise<Finding> {
  if (key === null) return notChecked('no attestation key was given', 'the AK certificate chain (role ak_chain)');
  const said = `${signature.scheme.toUpperCase()} with ${signature.hash}`;
  const scheme = area?.scheme ?? null;
  if (scheme !== null && (scheme.name !== signature.scheme || scheme.hash !== signature.hash)) {
    return failed(`the public area of the key allows only ${scheme.name} with ${scheme.hash}, not ${said}`);
  }
  const value = signatureValue(signature, key);
  if (value === null) return failed(`the signature is ${said}, which does not fit the attestation key`);
  const result = await verifySignature(key, schemeOf(signature), value, signed);
  if (result === 'unsupported') return notChecked(`this engine cannot check ${said}`);
  return result === 'valid'
    ? proven(`the attestation key signed it (${said})`)
    : failed('the attestation key did not sign it');
}

/** Whether the PCR values hash to the digest in the quote, in the order of its selection, under the hash of the signature. */
export function pcrDigest(quote: TpmQuote, name: HashName, values: PcrValues | null): Finding {
  if (quote.pcrDigest.length !== HASH_LENGTH[name]) {
    return failed(`the PCR digest in the quote has not the length of ${name}, the hash of its signature`);
  }
  if (values === null) return notChecked('no PCR values were given', 'the PCR values (role pcrs)');
  const selected = selectedValues(quote.selection, values);
  if ('missing' in selected) return failed(`the quote selects ${selected.missing}, which the PCR values lack`);
  const against = `the PCR digest ${encodeHex(quote.pcrDigest)} in the quote`;
  return equalBytes(hash(name, selected), quote.pcrDigest)
    ? proven('the PCR values hash to the digest in the quote', against)
    : failed('the PCR values are not those that were quoted', against);
}

function schemeOf({ scheme, hash: name }: TpmSignature): Scheme {
  if (scheme === 'ecdsa') return { kind: 'ecdsa', hash: name };
  if (scheme === 'rsassa') return { kind: 'rsassa-pkcs1', hash: name };
  // TPMs salt with as many bytes as the digest has (TPM 2.0 part 1, RSASSA_PSS).
  return { kind: 'rsassa-pss', hash: name, saltLength: HASH_LENGTH[name] };
}

/** The bytes that go to the verification, or null when scheme and key do not fit. */
function signatureValue(signature: TpmSignature, key: PublicKey): Uint8Array<ArrayBuffer> | null {
  if (signature.scheme !== 'ecdsa') return key.kind === 'rsa' ? signature.value : null;
  return key.kind === 'ec' ? p1363(signature.r, signature.s, key.curve) : null;
}
