import { member } from '@cmcp/evidence';
import type { Caller } from '../../caller.ts';
import type { Clock } from '../../clock.ts';
import { type OAuthIssuer, TOKEN_ALGORITHMS } from '../../config/identity-oauth.ts';
import { GatewayError } from '../../errors.ts';
import { bearerChallenge, challenge } from '../challenge.ts';
import type { IdentitySource, Presented, Refused } from '../types.ts';
import { verifyAccessToken } from './access-token.ts';
import { callerOf, scopesOf } from './caller-of.ts';
import { confirmHolder, type Scheme } from './confirmation.ts';
import type { ProofDeps } from './dpop.ts';
import type { IssuerKeys } from './issuer-keys.ts';
import { type ReadJwt, readJwt } from './jwt.ts';
import type { ResourceMetadata } from './metadata.ts';

/** RFC 9110 section 11.4: the scheme in any case. */
const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9_.-]+)$/i;

export interface OAuthSourceDeps extends ProofDeps {
  issuers: readonly { settings: OAuthIssuer; keys: IssuerKeys }[];
  metadata: ResourceMetadata;
  clock: Clock;
}

/** Access tokens of the configured authorization servers: an OAuth 2.1 resource server (AUTHZ-01 to AUTHZ-06). */
export class OAuthSource implements IdentitySource {
  readonly metadata: ResourceMetadata;
  readonly #deps: OAuthSourceDeps;

  constructor(deps: OAuthSourceDeps) {
    this.#deps = deps;
    this.metadata = deps.metadata;
  }

  async identify(presented: Presented): Promise<Caller | null> {
    const [authorization = ''] = presented.headers('authorization');
    const [, written = '', text = ''] = CREDENTIALS.exec(authorization) ?? [];
    const scheme: Scheme = written.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer';
    const token = readJwt(text);
    const issuer = token === null ? undefined : this.#issuerOf(token);
    return token === null || issuer === undefined ? null : await this.#holderOf(scheme, token, issuer, presented);
  }

  challenge(code: 'UNAUTHENTICATED' | 'INSUFFICIENT_SCOPE', { shown, scopes }: Refused): string {
    const error = code === 'INSUFFICIENT_SCOPE' ? 'insufficient_scope' : shown ? 'invalid_token' : null;
    const wanted = scopes ?? this.#requiredScopes();
    const scope = wanted.length === 0 ? null : wanted.join(' ');
    const bearer = bearerChallenge({ resource_metadata: this.metadata.url, scope, error });
    return `${bearer}, ${challenge('DPoP', { algs: TOKEN_ALGORITHMS.join(' '), error })}`;
  }

  /** By what the token itself says, which is only to know whose keys to hold it against. */
  #issuerOf({ claims }: ReadJwt): OAuthSourceDeps['issuers'][number] | undefined {
    const named = member(claims, 'iss');
    return this.#deps.issuers.find(({ settings }) => settings.issuer === named);
  }

  async #holderOf(
    scheme: Scheme,
    token: ReadJwt,
    { settings, keys }: OAuthSourceDeps['issuers'][number],
    presented: Presented,
  ): Promise<Caller> {
    const nowMicros = this.#deps.clock.nowMicros();
    const claims = await verifyAccessToken(token, settings, keys, nowMicros);
    const shown = { scheme, token: token.text, claims };
    await confirmHolder(shown, presented, settings.dpop === 'required', this.#deps, nowMicros);
    const caller = callerOf(claims, settings);
    const granted = scopesOf(claims);
    if (settings.requiredScopes.every((scope) => granted.includes(scope))) return caller;
    throw new GatewayError('INSUFFICIENT_SCOPE', `the token of ${caller.subject} lacks a required scope`);
  }

  #requiredScopes(): string[] {
    return [...new Set(this.#deps.issuers.flatMap(({ settings }) => settings.requiredScopes))];
  }
}
