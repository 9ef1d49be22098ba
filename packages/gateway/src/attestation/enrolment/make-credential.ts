import { createCipheriv, createHmac } from 'node:crypto';
import { HASH_LENGTH, type TpmStoragePublic } from '@cmcp/evidence';
import { kdfa } from '../tpm/kdf.ts';
import { shareSecret, sharingHash } from '../tpm/secret-sharing.ts';
import { TpmWriter } from '../tpm/writer.ts';

/** A secret that one TPM gives out, and only while it holds the object of one name. */
export interface Credential {
  /** TPM2B_ID_OBJECT without its size: HMAC and encrypted secret. */
  idObject: Uint8Array<ArrayBuffer>;
  /** TPM2B_ENCRYPTED_SECRET without its size. */
  encryptedSecret: Uint8Array<ArrayBuffer>;
}

const NOTHING = new Uint8Array();

/**
 * TPM2_MakeCredential in software (TPM 2.0 Part 1, section 24): who verifies needs no TPM of its own.
 *
 * @param endorsementKey whose TPM shall be able to open it
 * @param name the Name of the attestation key that must be in that TPM: it covers the key and all its attributes
 * @param secret at most as long as a digest of the endorsement key's name algorithm
 * @throws TpmError `response` when no secret is sent to such an endorsement key
 * @throws RangeError for a longer secret: a caller's mistake
 */
export function makeCredential(endorsementKey: TpmStoragePublic, name: Uint8Array, secret: Uint8Array): Credential {
  const hash = sharingHash(endorsementKey);
  const { aesBits } = endorsementKey;
  const bytes = HASH_LENGTH[hash];
  if (secret.length > bytes) throw new RangeError(`a credential holds ${bytes} bytes, not ${secret.length}`);
  const { seed, encrypted } = shareSecret(endorsementKey, 'IDENTITY');
  const protection = kdfa(hash, seed, 'STORAGE', name, NOTHING, aesBits);
  // The key is used once, and so is the IV of zeros that the TPM expects with it.
  const cipher = createCipheriv(`aes-${aesBits}-cfb`, protection, new Uint8Array(16));
  const identity = Buffer.concat([cipher.update(new TpmWriter().sized(secret).done()), cipher.final()]);
  const integrity = kdfa(hash, seed, 'INTEGRITY', NOTHING, NOTHING, bytes * 8);
  const hmac = createHmac(hash, integrity).update(identity).update(name).digest();
  return { idObject: new TpmWriter().sized(hmac).bytes(identity).done(), encryptedSecret: encrypted };
}
