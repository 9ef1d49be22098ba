import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import {
  encodeBase64Url,
  encodeUtf8,
  isObject,
  type JsonObject,
  parseJson,
  readBase64Url,
  stringifyJson,
} from '@cmcp/evidence';

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

  /** As {@link seal}, in base64url. */
  sealJson(binding: string, value: JsonObject): string {
    return encodeBase64Url(this.seal(binding, encodeUtf8(stringifyJson(value))));
  }

  /** As {@link open}, for what {@link sealJson} gave. */
  openJson(binding: string, text: string): JsonObject | null {
    const bytes = readBase64Url(text);
    const opened = bytes === null ? null : this.open(binding, bytes);
    const value = opened === null ? null : parseJson(opened);
    return isObject(value) ? value : null;
  }
}
