import { readBase64Url } from '../bytes/base64url.ts';
import type { SignatureResult } from '../crypto/ed25519.ts';
import type { PublicKey } from '../crypto/key.ts';
import { type Scheme, verifySignature } from '../crypto/signature.ts';
import { jcsBytes } from '../json/document.ts';
import type { JsonObject } from '../json/value.ts';
import { idsOf } from './key-ids.ts';
import type { RevocationSignature } from './parse.ts';

/** A key that the relying party trusts to revoke other keys, or to vouch for bundles of revocations. */
export interface RevocationKey {
  key: PublicKey;
  /** A name that statements may use for it, besides its thumbprint. */
  kid?: string;
  /** Shown in the report, e.g. the file that the key was read from. */
  source: string;
}

/** Who signed a statement or a bundle, as far as it can be told. `unknown`: by its own word, a key that was not given. */
export type Signer = { result: 'valid'; key: RevocationKey } | { result: 'invalid' | 'unsupported' | 'unknown' };

/** Whether one of `keys` that `id` names signed `signed`, over its RFC 8785 form without `sig`. @throws FormatError without such a form */
export async function signerOf(
  signed: JsonObject & { sig: RevocationSignature },
  id: string,
  keys: readonly RevocationKey[],
): Promise<Signer> {
  const named = keys.filter(({ key, kid }) => idsOf(key, kid).has(id));
  let result: Exclude<Signer['result'], 'valid'> = named.length === 0 ? 'unknown' : 'invalid';
  const message = jcsBytes(signed, 'what is signed', 'sig');
  for (const each of named) {
    const found = await verifyWith(each.key, signed.sig, message);
    if (found === 'valid') return { result: 'valid', key: each };
    if (found === 'unsupported') result = 'unsupported';
  }
  return { result };
}

async function verifyWith(
  key: PublicKey,
  { alg, value }: RevocationSignature,
  message: Uint8Array<ArrayBuffer>,
): Promise<SignatureResult> {
  const way = wayOf(key);
  const signature = readBase64Url(value);
  // The key decides how it signs; a signature that says otherwise is not its.
  if (way === null || way.alg !== alg || signature === null) return 'invalid';
  return verifySignature(key, way.scheme, signature, message);
}

function wayOf(key: PublicKey): { alg: string; scheme: Scheme } | null {
  if (key.kind === 'ed25519') return { alg: 'ed25519', scheme: { kind: 'ed25519' } };
  if (key.kind !== 'ec') return null;
  if (key.curve === 'P-256') return { alg: 'ES256', scheme: { kind: 'ecdsa', hash: 'sha256' } };
  return key.curve === 'P-384' ? { alg: 'ES384', scheme: { kind: 'ecdsa', hash: 'sha384' } } : null;
}
