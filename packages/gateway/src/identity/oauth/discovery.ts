import { type JsonObject, member } from '@cmcp/evidence';
import { destinationOf } from '../../egress.ts';
import { type GetJson, unavailable } from './get-json.ts';

/**
 * Where an issuer's metadata says that its keys are: RFC 8414, or else OpenID Connect Discovery. Metadata of somebody else, and keys on
 * another host than the issuer's, are refused: what is not the issuer's word must be the configuration's (AUTHZ-06, AUTHZ-10).
 *
 * @throws GatewayError IDENTITY_UNAVAILABLE
 */
export async function keysUrlOf(issuer: string, get: GetJson): Promise<string> {
  const metadata = await metadataOf(issuer, get);
  if (member(metadata, 'issuer') !== issuer) throw unavailable(issuer, 'its metadata is that of another issuer');
  const found = member(metadata, 'jwks_uri');
  const url = typeof found === 'string' ? URL.parse(found) : null;
  if (url === null) throw unavailable(issuer, 'its metadata names no keys');
  const own = new URL(issuer);
  if (url.protocol !== own.protocol || destinationOf(url) !== destinationOf(own)) {
    throw unavailable(issuer, `its keys are at ${destinationOf(url)}; set \`jwks_uri\` if they are meant`);
  }
  return url.href;
}

async function metadataOf(issuer: string, get: GetJson): Promise<JsonObject> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname === '/' ? '' : pathname.replace(/\/$/, '');
  for (const url of [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ]) {
    const metadata = await get(url);
    if (metadata !== null) return metadata;
  }
  throw unavailable(issuer, 'it has no metadata');
}
