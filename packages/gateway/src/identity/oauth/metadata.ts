import type { JsonObject } from '@cmcp/evidence';
import { type OAuthIssuer, TOKEN_ALGORITHMS } from '../../config/identity-oauth.ts';

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/** What clients are told of how to get a token (RFC 9728), made of the configuration alone: no header of a request enters it. */
export interface ResourceMetadata {
  /** Where clients find it: the well-known name between host and path of the resource (section 3.1). */
  readonly url: string;
  /** Paths at which it is served: that of the URL, and those that remain of it behind a proxy which takes its own part off. */
  readonly paths: ReadonlySet<string>;
  readonly document: JsonObject;
}

/** @param scopes what tokens may be asked for */
export function resourceMetadata(
  resource: string,
  issuers: readonly OAuthIssuer[],
  scopes: readonly string[],
): ResourceMetadata {
  const { origin, pathname } = new URL(resource);
  const path = pathname === '/' ? '' : pathname;
  return {
    url: `${origin}${WELL_KNOWN}${path}`,
    paths: new Set([`${WELL_KNOWN}${path}`, `${WELL_KNOWN}/mcp`, WELL_KNOWN]),
    document: {
      resource,
      authorization_servers: issuers.map(({ issuer }) => issuer),
      bearer_methods_supported: ['header'],
      ...(scopes.length > 0 && { scopes_supported: [...scopes] }),
      dpop_signing_alg_values_supported: [...TOKEN_ALGORITHMS],
      dpop_bound_access_tokens_required: issuers.every(({ dpop }) => dpop === 'required'),
    },
  };
}
