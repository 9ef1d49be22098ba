import { JsonNumber, type JsonObject, member } from '@cmcp/evidence';
import { jwtVerify } from 'jose';
import type { OAuthIssuer } from '../../config/identity-oauth.ts';
import { GatewayError } from '../../errors.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import type { ReadJwt } from './jwt.ts';
import { notVerified } from './key-set.ts';

/** Headers that say which key to believe, or what else to understand: the issuer's keys are known, and nothing else is understood. */
const REFUSED_HEADERS = ['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip'];
/** What only an ID token has (OpenID Connect Core section 2). */
const OF_ID_TOKENS = ['nonce', 'at_hash', 'c_hash', 's_hash'];

/**
 * The claims of an access token (RFC 9068), when it is one of this issuer, for this gateway, and in force (AUTHZ-03, AUTHZ-06).
 * @throws GatewayError UNAUTHENTICATED, IDENTITY_UNAVAILABLE
 */
export async function verifyAccessToken(
  { text, header, claims }: ReadJwt,
  issuer: OAuthIssuer,
  keys: IssuerKeys,
  nowMicros: number,
): Promise<JsonObject> {
  const { alg, kid } = checkedHeader(header);
  const key = await keys.find({ alg, kid });
  try {
    await jwtVerify(text, key, {
      algorithms: issuer.algorithms,
      issuer: issuer.issuer,
      audience: issuer.audience,
      requiredClaims: ['exp', 'iat'],
      clockTolerance: issuer.clockToleranceMs / 1000,
      currentDate: new Date(nowMicros / 1000),
      ...(issuer.tokenType === 'at+jwt' && { typ: 'at+jwt' }),
    });
  } catch (error) {
    throw notVerified(error);
  }
  if (timeOf(claims, 'iat') > nowMicros / 1000 + issuer.clockToleranceMs) throw refuse('it was issued in the future');
  if (issuer.tokenType === 'any' && OF_ID_TOKENS.some((name) => Object.hasOwn(claims, name)))
    throw refuse('it is an ID token');
  return claims;
}

function checkedHeader(header: JsonObject): { alg: string; kid: string | undefined } {
  const extra = REFUSED_HEADERS.find((name) => Object.hasOwn(header, name));
  if (extra !== undefined) throw refuse(`its header has \`${extra}\``);
  const [alg, kid] = [member(header, 'alg'), member(header, 'kid')];
  if (typeof alg !== 'string') throw refuse('its algorithm has no name');
  if (kid !== undefined && typeof kid !== 'string') throw refuse('its key id is no text');
  return { alg, kid };
}

/** Milliseconds since the epoch. What is no number is later than anything. */
export function timeOf(claims: JsonObject, name: string): number {
  const written = member(claims, name);
  const seconds = written instanceof JsonNumber ? Number(written.lexeme) : written;
  return typeof seconds === 'number' ? seconds * 1000 : Number.POSITIVE_INFINITY;
}

function refuse(why: string): GatewayError {
  return new GatewayError('UNAUTHENTICATED', `the access token: ${why}`);
}
