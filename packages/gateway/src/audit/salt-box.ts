import { randomBytes } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import { SealedBox } from '../sealed-box.ts';

/** Seals the salts of payload digests, so that the store alone opens no digest (contracts section 3). */
export interface SaltBox {
  seal(sessionId: string, callId: string, salt: Uint8Array): Uint8Array;
  /** @throws GatewayError STORE_INVALID when it was not sealed under this key for this call */
  open(sessionId: string, callId: string, sealed: Uint8Array): Uint8Array;
}

/** Under the store's key (32 bytes), bound to session and call. */
export function openSaltBox(storeKey: Uint8Array): SaltBox {
  const box = new SealedBox(storeKey, randomBytes);
  return {
    seal: (sessionId, callId, salt) => box.seal(binding(sessionId, callId), salt),
    open: (sessionId, callId, sealed) => {
      const salt = box.open(binding(sessionId, callId), sealed);
      if (salt === null)
        throw new GatewayError('STORE_INVALID', `the salt of call ${callId} does not open with this key`);
      return salt;
    },
  };
}

/** Length-prefixed, so that no two pairs share a binding. */
function binding(sessionId: string, callId: string): string {
  return `cmcp-salt-v1|${sessionId.length}|${sessionId}|${callId}`;
}
