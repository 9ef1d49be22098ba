import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';

const NONCE = 12;
const TAG = 16;

/** AES-256-GCM under one 32-byte key. Sealed form: 12 bytes of nonce, ciphertext, 16 bytes of tag. */
export class SealedBox {
  readonly #key: KeyObject;
  readonly #randomBytes: (length: number) => Uint8Array;

  constructor(key: Uint8Array, randomBytes: (length: number) => Uint8Array) {
    this.#key = createSecretKey(key);
    this.#randomBytes = randomBytes;
  }

  /** Only who names the same `binding` can open it. */
  seal(binding: string, plain: Uint8Array): Buffer {
    const nonce = this.#randomBytes(NONCE);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(binding));
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  /** Null when it was not sealed under this key for this binding. */
  open(binding: string, sealed: Uint8Array): Buffer | null {
    if (sealed.length < NONCE + TAG) return null;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE), { authTagLength: TAG });
    decipher.setAAD(Buffer.from(binding)).setAuthTag(sealed.subarray(sealed.length - TAG));
    const plain = decipher.update(sealed.subarray(NONCE, sealed.length - TAG));
    try {
      return Buffer.concat([plain, decipher.final()]);
    } catch {
      // The only way in which Node says that the tag does not hold.
      return null;
    }
  }
}
