import { createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto';
import { encodeUtf8, stringifyJson } from '@cmcp/evidence';
import { SealedBox } from '../sealed-box.ts';
import { recordingKeyId, x25519Public } from './key.ts';

/** Ephemeral-static X25519, HKDF-SHA256, AES-256-GCM with a counter as nonce: ECIES, written with node:crypto alone. */
export const SUITE = 'X25519-HKDF-SHA256-AES-256-GCM';
const CONTEXT = 'cmcp-decision-recording-v1|';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;

/** The first line of a recording, as far as its reader needs it. */
export interface RecordingHeader {
  /** Raw X25519 public key of this file, base64url. */
  ephemeral: string;
  keyId: string;
}

/** A public key with which no secret can be agreed upon. */
export class UnusableKey extends Error {
  override readonly name = 'UnusableKey';
}

/**
 * Seals what one file holds to the holder of a private key. The file's own private key is gone once this is made, so that what
 * was written can be read by the recipient, and besides by this process for as long as it lives and keeps the derived key.
 */
export class RecordSealer {
  /** First line of the file. */
  readonly header: string;
  readonly #box: SealedBox;
  #next = 0;

  /** @param recipient raw X25519 public key, base64url. @throws UnusableKey */
  constructor(recipient: string) {
    const { privateKey, publicKey } = generateKeyPairSync('x25519');
    const ephemeral = String(publicKey.export({ format: 'jwk' }).x);
    this.header = stringifyJson({
      cmcp_recording: 1,
      suite: SUITE,
      ephemeral,
      key_id: recordingKeyId(recipient),
    });
    const key = fileKey(agreed(privateKey, x25519Public(recipient)), this.header, ephemeral, recipient);
    // One key for each file and one number for each record: no nonce comes twice under a key.
    this.#box = new SealedBox(key, () => nonceOf(this.#next));
  }

  /** A line of the file, without its end. */
  seal(text: string): string {
    const sealed = this.#box.seal(this.header, encodeUtf8(text)).toString('base64url');
    this.#next += 1;
    return sealed;
  }

  /** Leaves a number out, so that whoever reads the file sees that something is missing. */
  skip(): void {
    this.#next += 1;
  }
}

/** Opens the records of the file that begins with the line `header`. */
export class RecordOpener {
  readonly #header: string;
  readonly #box: SealedBox;

  /** @throws UnusableKey for a header that no honest gateway wrote */
  constructor(header: string, { ephemeral }: RecordingHeader, privateKey: KeyObject) {
    const recipient = String(createPublicKey(privateKey).export({ format: 'jwk' }).x);
    const secret = agreed(privateKey, x25519Public(ephemeral));
    this.#header = header;
    this.#box = new SealedBox(fileKey(secret, header, ephemeral, recipient), () => new Uint8Array(NONCE_BYTES));
  }

  /** The number of a record and its bytes; null when it is damaged, or of another file. */
  open(sealed: Uint8Array): { number: number; bytes: Uint8Array } | null {
    const bytes = this.#box.open(this.#header, sealed);
    if (bytes === null) return null;
    const view = new DataView(sealed.buffer, sealed.byteOffset, NONCE_BYTES);
    return { number: Number(view.getBigUint64(NONCE_BYTES - 8)), bytes };
  }
}

function fileKey(secret: Buffer, header: string, ephemeral: string, recipient: string): Uint8Array {
  const salt = Buffer.concat([Buffer.from(ephemeral, 'base64url'), Buffer.from(recipient, 'base64url')]);
  return new Uint8Array(hkdfSync('sha256', secret, salt, CONTEXT + header, KEY_BYTES));
}

function agreed(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  try {
    return diffieHellman({ privateKey, publicKey });
  } catch (cause) {
    // The one way in which OpenSSL refuses a point of small order, with which everybody would know the secret.
    throw new UnusableKey('the X25519 key is a point of small order', { cause });
  }
}

function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  new DataView(nonce.buffer).setBigUint64(NONCE_BYTES - 8, BigInt(number));
  return nonce;
}
