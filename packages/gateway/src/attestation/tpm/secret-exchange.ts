import { constants, createECDH, type KeyObject, publicEncrypt, randomBytes } from 'node:crypto';
import { decodeBase64Url } from '@cmcp/evidence';
import { TpmError } from './error.ts';
import { kdfe } from './kdf.ts';
import type { EccCurve, StorageKey } from './public-area.ts';
import { TpmWriter } from './writer.ts';

const ECDH_CURVES: Readonly<Record<EccCurve, string>> = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
};
const HASH_BITS = { sha256: 256, sha384: 384, sha512: 512 } as const;

/** A secret, and how it is sent: the content of a TPM2B_ENCRYPTED_SECRET. */
export interface SharedSecret {
  secret: Uint8Array<ArrayBuffer>;
  encrypted: Uint8Array<ArrayBuffer>;
}

/**
 * Makes a secret that only the TPM with `recipient` can know (TPM 2.0 Part 1, annexes B.10 and C.6).
 *
 * @param label what it is for: `SECRET` salts a session, `IDENTITY` protects a credential
 * @throws TpmError `response` when the key is not one that secrets can be sent to
 */
export function shareSecret(recipient: StorageKey, label: 'SECRET' | 'IDENTITY'): SharedSecret {
  return recipient.curve === null ? shareByRsa(recipient, label) : shareByEcdh(recipient, recipient.curve, label);
}

/** RSAES-OAEP; the label ends in a zero byte. */
function shareByRsa({ key, hash }: StorageKey, label: string): SharedSecret {
  const secret = new Uint8Array(randomBytes(HASH_BITS[hash] / 8));
  const oaepLabel = Buffer.from(`${label}\0`);
  const encrypted = publicEncrypt(
    { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash, oaepLabel },
    secret,
  );
  return { secret, encrypted: new Uint8Array(encrypted) };
}

/** One-pass ECDH: the ephemeral point is what is sent. */
function shareByEcdh({ key, hash }: StorageKey, curve: EccCurve, label: string): SharedSecret {
  const { x, y } = coordinates(key);
  const ephemeral = createECDH(ECDH_CURVES[curve]);
  const point = ephemeral.generateKeys();
  const z = ephemeral.computeSecret(Buffer.concat([Uint8Array.of(4), x, y]));
  const ephemeralX = point.subarray(1, 1 + x.length);
  const ephemeralY = point.subarray(1 + x.length);
  return {
    secret: kdfe(hash, z, label, ephemeralX, x, HASH_BITS[hash]),
    encrypted: new TpmWriter().sized(ephemeralX).sized(ephemeralY).done(),
  };
}

/** As wide as the field (RFC 7518, section 6.2.1.2). */
function coordinates(key: KeyObject): { x: Uint8Array; y: Uint8Array } {
  const { x, y } = key.export({ format: 'jwk' });
  if (x === undefined || y === undefined)
    throw new TpmError('response', 'The key has no point, so no secret can be sent to it');
  return { x: decodeBase64Url(x), y: decodeBase64Url(y) };
}
