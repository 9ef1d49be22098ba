import { constants, createECDH, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import { HASH_LENGTH, type PublicKey, pointOf, spkiOf, type TpmStoragePublic } from '@cmcp/evidence';
import { TpmError } from './error.ts';
import { type KdfHash, kdfe } from './kdf.ts';
import { TpmWriter } from './writer.ts';

/** What the shared value is for: the label keeps one use from being taken for another. */
export type SharingLabel = 'IDENTITY' | 'SECRET';

/** A value that, besides its maker, only the TPM that holds the storage key can learn. */
export interface SharedSecret {
  /** As long as a digest of the key's name algorithm. */
  seed: Uint8Array<ArrayBuffer>;
  /** TPM2B_ENCRYPTED_SECRET without its size: what the TPM learns the seed from. */
  encrypted: Uint8Array<ArrayBuffer>;
}

const CURVES = { 'P-256': 'prime256v1', 'P-384': 'secp384r1' } as const;

/**
 * Shares a fresh secret with the TPM that holds a storage key (TPM 2.0 Part 1, annex B.10 for RSA, C.6 for ECC).
 * @throws TpmError `response` when the key is none that a secret may be sent to: not restricted, or of other algorithms
 */
export function shareSecret(storage: TpmStoragePublic, label: SharingLabel): SharedSecret {
  const { attributes, key } = storage;
  // A key that decrypts whatever it is asked to would tell the secret to anyone on the machine.
  if (!attributes.restricted || !attributes.decrypt || attributes.sign) {
    throw unfit('it is not restricted to protecting what is sent to the TPM');
  }
  const hash = sharingHash(storage);
  if (key.kind === 'rsa') return byEncryption(key, hash, label);
  if (key.kind === 'ec') return byAgreement(key, hash, label);
  throw unfit('no TPM has storage keys of its kind');
}

/** The hash that everything about a storage key is derived with: that of its name. @throws TpmError `response` for SHA-1 */
export function sharingHash({ nameAlgorithm }: TpmStoragePublic): KdfHash {
  if (nameAlgorithm === 'sha1') throw unfit('its name uses SHA-1');
  return nameAlgorithm;
}

/** RSAES-OAEP, whose label ends in a zero byte that counts as part of it. */
function byEncryption(key: PublicKey & { kind: 'rsa' }, hash: KdfHash, label: SharingLabel): SharedSecret {
  const seed = new Uint8Array(randomBytes(HASH_LENGTH[hash]));
  const encrypted = publicEncrypt(
    {
      key: createPublicKey({ key: Buffer.from(spkiOf(key)), type: 'spki', format: 'der' }),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: hash,
      oaepLabel: Buffer.from(`${label}\0`, 'ascii'),
    },
    seed,
  );
  return { seed, encrypted: new Uint8Array(encrypted) };
}

/** One-pass ECDH with an ephemeral key, whose point the TPM gets as a TPMS_ECC_POINT. */
function byAgreement(key: PublicKey & { kind: 'ec' }, hash: KdfHash, label: SharingLabel): SharedSecret {
  if (key.curve === 'P-521') throw unfit('it is on P-521');
  const ephemeral = createECDH(CURVES[key.curve]);
  const point = ephemeral.generateKeys();
  const x = point.subarray(1, 1 + key.x.length);
  const y = point.subarray(1 + key.x.length);
  const z = agreed(() => ephemeral.computeSecret(pointOf(key)));
  const seed = kdfe(hash, z, label, x, key.x, HASH_LENGTH[hash] * 8);
  return { seed, encrypted: new TpmWriter().sized(x).sized(y).done() };
}

/** node:crypto finds out whether the point is on the curve; with one that is not, the answer would tell of the ephemeral key. */
function agreed(compute: () => Uint8Array): Uint8Array {
  try {
    return compute();
  } catch (cause) {
    throw unfit('its point is not on its curve', cause);
  }
}

function unfit(why: string, cause?: unknown): TpmError {
  return new TpmError('response', `No secret is sent to this key: ${why}`, { cause });
}
