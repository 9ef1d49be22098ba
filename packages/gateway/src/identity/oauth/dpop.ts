import { encodeBase64Url, encodeUtf8, isObject, type JsonObject, member, sha256 } from '@cmcp/evidence';
import { calculateJwkThumbprint, compactVerify, importJWK, type JWK } from 'jose';
import { TOKEN_ALGORITHMS } from '../../config/identity-oauth.ts';
import { GatewayError } from '../../errors.ts';
import type { Presented } from '../types.ts';
import { timeOf } from './access-token.ts';
import { type ReadJwt, readJwt } from './jwt.ts';
import { notVerified } from './key-set.ts';
import type { UsedProofs } from './replays.ts';

/** How long a proof is good after it was made, and how far the client's clock may be ahead. */
const LIFETIME_MS = 60_000;
const AHEAD_MS = 30_000;
const MAX_ID = 256;
const KEY_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e'] as const;

export interface ProofDeps {
  /** The gateway's URL as clients know it. */
  resource: string;
  used: Pick<UsedProofs, 'use'>;
}

/**
 * Holds the request to a proof that the holder of the key with this thumbprint sent it with this token (RFC 9449 section 4.3).
 * @throws GatewayError UNAUTHENTICATED, OVERLOADED
 */
export async function requireProof(
  { method, headers }: Pick<Presented, 'method' | 'headers'>,
  { token, key }: { token: string; key: string },
  { resource, used }: ProofDeps,
  nowMicros: number,
): Promise<void> {
  const [text = '', ...more] = headers('dpop');
  const proof = more.length === 0 ? readJwt(text) : null;
  if (proof === null) throw refuse('is missing, or no JSON Web Token');
  // Before anything is remembered of it: a stolen token and keys made up for it must not fill what all others share (D-06).
  if ((await signedBy(proof)) !== key) throw refuse('is by another key than the one that the token is bound to');
  const { claims } = proof;
  if (member(claims, 'htm') !== method) throw refuse('is for another method');
  if (!isSameUrl(member(claims, 'htu'), resource)) throw refuse('is for another URL');
  if (member(claims, 'ath') !== encodeBase64Url(sha256(encodeUtf8(token)))) throw refuse('is for another token');
  const nowMs = nowMicros / 1000;
  const madeMs = timeOf(claims, 'iat');
  if (madeMs > nowMs + AHEAD_MS || madeMs <= nowMs - LIFETIME_MS) throw refuse('is not of now');
  const id = member(claims, 'jti');
  if (typeof id !== 'string' || id === '' || id.length > MAX_ID) throw refuse('has no id');
  const digest = encodeBase64Url(sha256(encodeUtf8(id)));
  if (!used.use(key, digest, nowMs, nowMs + LIFETIME_MS + AHEAD_MS)) throw refuse('was used before');
}

/** The key in the header is the right one here: the token says which key it has to be. */
async function signedBy({ text, header }: ReadJwt): Promise<string> {
  if (member(header, 'typ') !== 'dpop+jwt') throw refuse('is a token of another kind');
  const alg = TOKEN_ALGORITHMS.find((each) => each === member(header, 'alg'));
  const jwk = member(header, 'jwk');
  if (alg === undefined || !isObject(jwk)) throw refuse('shows no public key, or an algorithm that is not accepted');
  if (Object.hasOwn(jwk, 'd') || Object.hasOwn(header, 'crit')) throw refuse('shows what it must not');
  const key = publicPart(jwk);
  try {
    await compactVerify(text, await importJWK(key, alg), { algorithms: [alg] });
    return await calculateJwkThumbprint(key);
  } catch (error) {
    throw notVerified(error);
  }
}

function publicPart(jwk: JsonObject): JWK {
  const texts = KEY_MEMBERS.flatMap((name) => {
    const value = member(jwk, name);
    return typeof value === 'string' ? [[name, value]] : [];
  });
  return Object.fromEntries(texts);
}

/** Without query and fragment, and as RFC 3986 normalises scheme and host. */
function isSameUrl(given: unknown, resource: string): boolean {
  const url = typeof given === 'string' ? URL.parse(given) : null;
  const own = new URL(resource);
  return url !== null && url.origin === own.origin && url.pathname === own.pathname;
}

function refuse(why: string): GatewayError {
  return new GatewayError('UNAUTHENTICATED', `the DPoP proof ${why}`);
}
