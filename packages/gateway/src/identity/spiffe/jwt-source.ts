import type { KeyObject } from 'node:crypto';
import { isObject, JsonError, member, parseJson } from '@cmcp/evidence';
import { errors, jwtVerify } from 'jose';
import type { Caller } from '../../caller.ts';
import type { Clock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';
import type { IdentitySource, Presented, Refused } from '../types.ts';
import type { TrustBundle } from './bundle.ts';
import { parseSpiffeId, type SpiffeId } from './id.ts';
import { refused, type Workloads } from './workloads.ts';

/** JWT-SVID section 2.1, by kind of key: the token does not choose among kinds (AUTHZ-06). */
const ALGORITHMS: Readonly<Record<string, readonly string[]>> = {
  rsa: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  prime256v1: ['ES256'],
  secp384r1: ['ES384'],
  secp521r1: ['ES512'],
};
/** JWT-SVID section 2: no other header means anything, and those that name a key elsewhere (AUTHZ-06) least of all. */
const HEADERS = new Set(['alg', 'kid', 'typ']);
const TYPES = new Set<unknown>([undefined, 'JWT', 'JOSE']);
const TOKEN = /^bearer +((?:[A-Za-z0-9_-]+\.){2}[A-Za-z0-9_-]+)$/i;
const MAX_HEADER = 8192;
const LIMITS = { bytes: MAX_HEADER, depth: 16, items: 500 };

export interface JwtSvidDeps {
  workloads: Workloads;
  bundleOf: (trustDomain: string) => TrustBundle;
  clock: Clock;
  /** What a token must be for. */
  audience: string;
  /** Whose tokens are another source's, whatever subject they name. */
  otherIssuers: readonly string[];
}

/**
 * The workload that a JWT-SVID names: a bearer token whose subject is a SPIFFE ID of a configured trust domain, verified with that trust
 * domain's keys. Any other token is left to others.
 */
export class JwtSvidSource implements IdentitySource {
  readonly #deps: JwtSvidDeps;

  constructor(deps: JwtSvidDeps) {
    this.#deps = deps;
  }

  async identify({ headers }: Presented): Promise<Caller | null> {
    const [authorization = ''] = headers('authorization');
    const token = authorization.length > MAX_HEADER ? undefined : TOKEN.exec(authorization)?.[1];
    const claimed = token === undefined ? null : this.#subjectOf(token);
    if (token === undefined || claimed === null) return null;
    const { workloads, bundleOf } = this.#deps;
    const id = workloads.admit(claimed.text);
    const expiresMicros = await this.#verify(token, bundleOf(id.trustDomain));
    return workloads.callerOf(id, 'jwt-svid', { expiresMicros });
  }

  challenge(code: 'UNAUTHENTICATED' | 'INSUFFICIENT_SCOPE', { shown }: Refused): string | null {
    if (code !== 'UNAUTHENTICATED') return null;
    return shown ? 'Bearer realm="spiffe", error="invalid_token"' : 'Bearer realm="spiffe"';
  }

  /** Whom a token says it is for, if that is for this source to judge. Nothing of it is proven yet. */
  #subjectOf(token: string): SpiffeId | null {
    const claims = jsonOf(token.split('.')[1] ?? '');
    const [sub, iss] = [
      isObject(claims) ? member(claims, 'sub') : null,
      isObject(claims) ? member(claims, 'iss') : null,
    ];
    if (typeof iss === 'string' && this.#deps.otherIssuers.includes(iss)) return null;
    const id = typeof sub === 'string' ? parseSpiffeId(sub) : null;
    return id !== null && this.#deps.workloads.knows(id.trustDomain) ? id : null;
  }

  /** When it ends, microseconds since the epoch. */
  async #verify(token: string, { jwtKeys }: TrustBundle): Promise<number> {
    const { audience, clock } = this.#deps;
    const header = jsonOf(token.split('.')[0] ?? '');
    if (
      !isObject(header) ||
      Object.keys(header).some((name) => !HEADERS.has(name)) ||
      !TYPES.has(member(header, 'typ'))
    )
      throw refused('the header of the JWT-SVID has members besides alg, kid and typ, or another typ');
    if (jwtKeys === null) throw new GatewayError('IDENTITY_UNAVAILABLE', 'the keys of JWT-SVIDs are not known yet');
    const kid = member(header, 'kid');
    const key = typeof kid === 'string' ? jwtKeys.get(kid) : undefined;
    if (key === undefined) throw refused('the JWT-SVID names no key of the trust bundle');
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: algorithmsOf(key),
        audience,
        requiredClaims: ['sub', 'aud', 'exp'],
        currentDate: new Date(clock.nowMicros() / 1000),
      });
      return Math.floor((payload.exp ?? 0) * 1e6);
    } catch (error) {
      if (error instanceof errors.JOSEError) throw refused(`JWT-SVID: ${error.message}`);
      throw error;
    }
  }
}

function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string[] {
  return [...(ALGORITHMS[asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType ?? ''] ?? [])];
}

/** A part of a token as JSON without repeated members; null for anything else, which is no JWT. */
function jsonOf(part: string): ReturnType<typeof parseJson> {
  try {
    return parseJson(new Uint8Array(Buffer.from(part, 'base64url')), LIMITS);
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}
