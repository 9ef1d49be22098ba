import { createCipheriv, createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { readAnswer } from './answer.ts';
import { ALG, TPMA_SESSION } from './constants.ts';
import { TpmError } from './error.ts';
import { kdfa } from './kdf.ts';
import { TpmWriter } from './writer.ts';

/** The hash of all sessions here. */
const HASH = 'sha256';
export const SESSION_HASH = ALG.sha256;
export const NONCE_BYTES = 32;
const HASH_BITS = 256;
const NOTHING = new Uint8Array();

/** The cipher of parameters: AES with 128 bits in CFB mode. */
const CIPHER = 'aes-128-cfb';
const CIPHER_KEY_BYTES = 16;
const CIPHER_IV_BYTES = 16;

/** The cipher as StartAuthSession takes it (TPMT_SYM_DEF). */
export const SESSION_CIPHER = new TpmWriter().u16(ALG.aes).u16(128).u16(ALG.cfb).done();

/** An authorisation session, as both sides know it. Its nonces roll with each command. */
export interface OpenSession {
  kind: 'policy' | 'hmac';
  handle: number;
  /** Empty: no HMAC is made (a policy session that is neither salted nor bound). */
  key: Uint8Array<ArrayBuffer>;
  nonceTpm: Uint8Array<ArrayBuffer>;
}

/** The key of a salted session (TPM 2.0 Part 1, section 19.6.8). */
export function sessionKey(salt: Uint8Array, nonceTpm: Uint8Array, nonceCaller: Uint8Array): Uint8Array<ArrayBuffer> {
  return kdfa(HASH, salt, 'ATH', nonceTpm, nonceCaller, HASH_BITS);
}

/** A session's part in one command. */
export class SessionUse {
  readonly #session: OpenSession;
  readonly #nonceCaller: Uint8Array<ArrayBuffer>;
  readonly #attributes: number;

  /**
   * @param nonceCaller fresh, {@link NONCE_BYTES}
   * @param encrypts bits of TPMA_SESSION besides `continueSession`
   */
  constructor(session: OpenSession, nonceCaller: Uint8Array<ArrayBuffer>, encrypts: number) {
    this.#session = session;
    this.#nonceCaller = nonceCaller;
    this.#attributes = TPMA_SESSION.continueSession | encrypts;
  }

  /** The command's parameters as they cross the bus: the first is encrypted (TPM 2.0 Part 1, section 21). */
  encryptCommand(parameters: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if ((this.#attributes & TPMA_SESSION.decrypt) === 0) return parameters;
    const { key, iv } = this.#cipher(this.#nonceCaller, this.#session.nonceTpm);
    return firstParameter(parameters, (bytes) => createCipheriv(CIPHER, key, iv).update(bytes));
  }

  /** TPMS_AUTH_COMMAND. `digest` is the command's cpHash. */
  commandArea(digest: Uint8Array): Uint8Array<ArrayBuffer> {
    const { handle, nonceTpm } = this.#session;
    return new TpmWriter()
      .u32(handle)
      .sized(this.#nonceCaller)
      .u8(this.#attributes)
      .sized(this.#hmac(digest, this.#nonceCaller, nonceTpm))
      .done();
  }

  /**
   * Checks a TPMS_AUTH_RESPONSE, and rolls the TPM's nonce. `digest` is the answer's rpHash.
   * @throws TpmError `response` when the answer is not what the TPM sent
   */
  acceptAnswer(area: AnswerArea, digest: Uint8Array): void {
    if (area.attributes !== this.#attributes || area.nonce.length !== NONCE_BYTES) {
      throw new TpmError('response', 'The answer is of another session than the command');
    }
    const expected = this.#hmac(digest, area.nonce, this.#nonceCaller);
    if (expected.length !== area.hmac.length || !timingSafeEqual(expected, area.hmac)) {
      throw new TpmError('response', 'The answer was altered on its way: it is not authenticated by its session');
    }
    this.#session.nonceTpm = area.nonce;
  }

  /** The answer's parameters in clear, after {@link acceptAnswer}. @throws TpmError `response` */
  decryptAnswer(parameters: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if ((this.#attributes & TPMA_SESSION.encrypt) === 0) return parameters;
    const { key, iv } = this.#cipher(this.#session.nonceTpm, this.#nonceCaller);
    return firstParameter(parameters, (bytes) => createDecipheriv(CIPHER, key, iv).update(bytes));
  }

  /** Over the digest, the newer nonce, the older nonce and the attributes (TPM 2.0 Part 1, section 19.6.5). */
  #hmac(digest: Uint8Array, newer: Uint8Array, older: Uint8Array): Uint8Array {
    const { key } = this.#session;
    if (key.length === 0) return NOTHING;
    return createHmac(HASH, key)
      .update(digest)
      .update(newer)
      .update(older)
      .update(Uint8Array.of(this.#attributes))
      .digest();
  }

  #cipher(newer: Uint8Array, older: Uint8Array): { key: Uint8Array; iv: Uint8Array } {
    const bits = 8 * (CIPHER_KEY_BYTES + CIPHER_IV_BYTES);
    const both = kdfa(HASH, this.#session.key, 'CFB', newer, older, bits);
    return { key: both.subarray(0, CIPHER_KEY_BYTES), iv: both.subarray(CIPHER_KEY_BYTES) };
  }
}

/** TPMS_AUTH_RESPONSE. */
export interface AnswerArea {
  nonce: Uint8Array<ArrayBuffer>;
  attributes: number;
  hmac: Uint8Array<ArrayBuffer>;
}

/** cpHash (TPM 2.0 Part 1, section 16.7): the command, the names of what it is about, and its parameters as they cross the bus. */
export function commandDigest(code: number, names: readonly Uint8Array[], parameters: Uint8Array): Uint8Array {
  const bytes = new TpmWriter().u32(code);
  for (const name of names) bytes.bytes(name);
  return createHash(HASH).update(bytes.bytes(parameters).done()).digest();
}

/** rpHash (TPM 2.0 Part 1, section 16.8) of an answer of success. */
export function answerDigest(code: number, parameters: Uint8Array): Uint8Array {
  return createHash(HASH).update(new TpmWriter().u32(0).u32(code).bytes(parameters).done()).digest();
}

/** Replaces the contents of the first parameter, which is a TPM2B. Its size stays in clear. */
function firstParameter(
  parameters: Uint8Array<ArrayBuffer>,
  replaced: (bytes: Uint8Array) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  return readAnswer(parameters, 'encrypted parameter', (reader) => {
    const size = reader.u16be('size');
    const first = replaced(reader.take(size, 'contents'));
    return new TpmWriter().sized(first).bytes(reader.take(reader.left, 'other parameters')).done();
  });
}
