import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { GatewayError } from '../errors.ts';

const NONCE = 12;
const TAG = 16;

/** Seals the salts of payload digests, so that the store alone opens no digest (contracts section 3). */
export interface SaltBox {
  seal(sessionId: string, callId: string, salt: Uint8Array): Uint8Array;
  /** @throws GatewayError STORE_INVALID when it was not sealed under this key for this call */
  open(sessionId: string, callId: string, sealed: Uint8Array): Uint8Array;
}

/**
 * AES-256-GCM under the store's key (32 bytes), bound to session and call. Sealed form: 12 bytes of nonce, ciphertext, 16 bytes
 * of tag.
 */
export function openSaltBox(storeKey: Uint8Array): SaltBox {
  const key = createSecretKey(storeKey);
  return {
    seal: (sessionId, callId, salt) => {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(binding(sessionId, callId));
      return Buffer.concat([nonce, cipher.update(salt), cipher.final(), cipher.getAuthTag()]);
    },
    open: (sessionId, callId, sealed) => {
      if (sealed.length < NONCE + TAG)
        throw new GatewayError('STORE_INVALID', `the salt of call ${callId} is cut short`);
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE), { authTagLength: TAG });
      decipher.setAAD(binding(sessionId, callId)).setAuthTag(sealed.subarray(sealed.length - TAG));
      const plain = decipher.update(sealed.subarray(NONCE, sealed.length - TAG));
      return Buffer.concat([plain, authentic(() => decipher.final(), callId)]);
    },
  };
}

/** Length-prefixed, so that no two pairs share a binding. */
function binding(sessionId: string, callId: string): Buffer {
  return Buffer.from(`cmcp-salt-v1|${sessionId.length}|${sessionId}|${callId}`, 'utf8');
}

function authentic(final: () => Buffer, callId: string): Buffer {
  try {
    return final();
  } catch (cause) {
    throw new GatewayError('STORE_INVALID', `the salt of call ${callId} does not open with this key`, { cause });
  }
}
