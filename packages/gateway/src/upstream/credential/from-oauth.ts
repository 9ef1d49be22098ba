import {
  allowInsecureRequests,
  ClientSecretBasic,
  customFetch,
  genericTokenEndpointRequest,
  OperationProcessingError,
  processGenericTokenEndpointResponse,
  ResponseBodyError,
  UnsupportedOperationError,
  WWWAuthenticateChallengeError,
} from 'oauth4webapi';
import { GatewayError } from '../../errors.ts';
import { secretIn } from './from-file.ts';
import type { TokenRequest } from './token-request.ts';
import type { Issued, OAuthSource } from './types.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/**
 * A short-lived token of a token endpoint: client credentials (RFC 6749 section 4.4), or token exchange (RFC 8693) where there is a
 * token to exchange.
 * @throws GatewayError UPSTREAM_UNAVAILABLE
 */
export async function fromOAuth(source: OAuthSource, request: TokenRequest): Promise<Issued> {
  const as = { issuer: new URL(source.tokenUrl).origin, token_endpoint: source.tokenUrl };
  const client = { client_id: source.clientId };
  const clientAuth = ClientSecretBasic(await secretIn(source.clientSecret));
  const { grant, parameters } = await grantOf(source);
  // Plain HTTP is refused by the request itself, except on this machine.
  const options = { [customFetch]: request, [allowInsecureRequests]: true };
  try {
    const response = await genericTokenEndpointRequest(as, client, clientAuth, grant, parameters, options);
    const token = await processGenericTokenEndpointResponse(as, client, response);
    if (token.token_type.toLowerCase() !== 'bearer') throw refused('its token is of another type than Bearer');
    return { value: token.access_token, lifetimeMs: token.expires_in === undefined ? null : token.expires_in * 1000 };
  } catch (error) {
    if (error instanceof ResponseBodyError) throw refused(`${error.error} (HTTP ${error.status})`);
    if (error instanceof WWWAuthenticateChallengeError) throw refused(`HTTP ${error.status}`);
    if (error instanceof OperationProcessingError || error instanceof UnsupportedOperationError) {
      throw refused(`its answer is no token response (${error.code})`);
    }
    throw error;
  }
}

async function grantOf({ scope, resource, audience, subjectToken }: OAuthSource) {
  const parameters = new URLSearchParams();
  if (scope !== null) parameters.set('scope', scope);
  if (resource !== null) parameters.set('resource', resource);
  if (audience !== null) parameters.set('audience', audience);
  if (subjectToken === null) return { grant: 'client_credentials', parameters };
  parameters.set('subject_token', await secretIn(subjectToken));
  parameters.set('subject_token_type', ACCESS_TOKEN);
  return { grant: EXCHANGE, parameters };
}

function refused(why: string): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', `the token endpoint gave no token: ${why}`);
}
