import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { type CryptoKey, createLocalJWKSet, errors, type JWK } from 'jose';
import { GatewayError } from '../../errors.ts';

/** The keys of an issuer, as it published them last. */
export interface KeySet {
  /** The one that a token's header names, for its algorithm; null: there is none. */
  find(header: { alg: string; kid: string | undefined }): Promise<CryptoKey | null>;
}

const MAX_KEYS = 64;
const MEMBERS = ['kty', 'kid', 'use', 'alg', 'crv', 'x', 'y', 'n', 'e'] as const;

/** What of a JWK set checks signatures: public keys, without anything else that stands in them. null: it is no JWK set. */
export function readKeySet(document: JsonObject): KeySet | null {
  const keys = member(document, 'keys');
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) return null;
  const usable = keys.flatMap((key) => (isObject(key) && isPublic(key) ? [copied(key)] : []));
  const set = createLocalJWKSet({ keys: usable });
  return {
    async find(header) {
      try {
        return await set(header.kid === undefined ? { alg: header.alg } : { alg: header.alg, kid: header.kid });
      } catch (error) {
        if (error instanceof errors.JWKSNoMatchingKey) return null;
        throw notVerified(error);
      }
    },
  };
}

/** A key that could also make tokens is nobody's proof: a set that shows one is used without it. */
function isPublic(key: JsonObject): boolean {
  return typeof member(key, 'kty') === 'string' && !Object.hasOwn(key, 'd');
}

function copied(key: JsonObject): JWK {
  const texts = MEMBERS.flatMap((name) => {
    const value: JsonValue | undefined = member(key, name);
    return typeof value === 'string' ? [[name, value]] : [];
  });
  return Object.fromEntries(texts);
}

/**
 * What jose, or WebCrypto below it, says of a token or key that is no good. Whichever it was, nothing was verified.
 * @throws what is no such error
 */
export function notVerified(error: unknown): GatewayError {
  if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException) {
    return new GatewayError('UNAUTHENTICATED', error.message, { cause: error });
  }
  throw error;
}
