import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import type { Checkpoint, GatewayClaim } from '@cmcp/evidence';
import {
  checkpointPreimage,
  claimPreimage,
  decodeBase64Url,
  EncodingError,
  encodeBase64Url,
  statementPreimage,
} from '@cmcp/evidence';

/** The claim key of one process: generated in memory, never exported, gone with the process (contracts section 4). */
export interface Signer {
  /** Raw Ed25519 public key, base64url (JWK `x`). */
  readonly publicKey: string;
  checkpoint(sessionId: string, length: number, tip: string): Checkpoint;
  claim(unsigned: GatewayClaim): GatewayClaim;
  /** Signs the 32-byte digest of a bundle. */
  bundle(digest: Uint8Array): string;
  /** Signs the bytes of a live statement, under a label that nothing else is signed under. */
  statement(bytes: Uint8Array): string;
}

/** A signer with a fresh software key. */
export function createSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return signerOf(privateKey, publicKey.export({ format: 'jwk' }).x ?? '');
}

function signerOf(privateKey: KeyObject, publicKey: string): Signer {
  const signature = (bytes: Uint8Array): string => encodeBase64Url(sign(null, bytes, privateKey));
  return {
    publicKey,
    checkpoint: (sessionId, length, tip) => {
      const unsigned = { session_id: sessionId, length, tip, key: publicKey };
      return { ...unsigned, signature: signature(checkpointPreimage(unsigned)) };
    },
    claim: (unsigned) => ({ ...unsigned, signature: signature(claimPreimage(unsigned)) }),
    bundle: signature,
    statement: (bytes) => signature(statementPreimage(bytes)),
  };
}

/** Longer than any chain can get; keeps what an edited store says within exact integers. */
const MAX_LENGTH = 2 ** 40;

/** Whether a stored checkpoint was signed by the key that it names. False, never an error, for malformed members. */
export function checkpointSigned(checkpoint: Checkpoint): boolean {
  const { length, tip, key: x, signature: signed } = checkpoint;
  if (typeof x !== 'string' || typeof signed !== 'string') return false;
  if (!Number.isSafeInteger(length) || length < 1 || length > MAX_LENGTH || !isDigest(tip)) return false;
  try {
    const key = decodeBase64Url(x);
    const signature = decodeBase64Url(signed);
    if (key.length !== 32 || signature.length !== 64) return false;
    const jwk = { kty: 'OKP', crv: 'Ed25519', x };
    return verify(null, checkpointPreimage(checkpoint), { key: jwk, format: 'jwk' }, signature);
  } catch (error) {
    if (error instanceof EncodingError) return false;
    throw error;
  }
}

/** Bare lower-case hex of a SHA-256. */
export function isDigest(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);
}
