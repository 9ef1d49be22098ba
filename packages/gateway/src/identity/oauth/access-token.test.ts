import assert from 'node:assert/strict';
import { test } from 'node:test';
import { issuerKey, TokenIssuer } from '../../../../../tests/support/token-issuer.ts';
import { oauthIssuerOf } from '../../config/identity-oauth.ts';
import { verifyAccessToken } from './access-token.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { readJwt } from './jwt.ts';

test('a token is held against the keys and the name of one issuer: another that signs with the same key is not it [AUTHZ-03]', async () => {
  const key = await issuerKey('one');
  const written = { issuer: 'https://login.example', audience: null, jwks_uri: 'https://login.example/jwks', ca: null };
  const claims = {
    subject_claim: 'sub',
    subject_prefix: null,
    user_claim: null,
    groups_claim: null,
    workflow_claim: null,
  };
  const settings = oauthIssuerOf('/', 'https://gateway.example/mcp', {
    ...written,
    ...claims,
    algorithms: [],
    token_type: 'at+jwt',
    required_scopes: [],
    scopes: 'enforced',
    clock_tolerance: 0,
    dpop: 'optional',
    outage: 1_000,
  });
  const get = async () => ({ keys: [{ ...key.jwk } as never] });
  const keys = new IssuerKeys(settings, { get, monotonic: () => 0, report: () => {} });
  const verified = async (iss: string): Promise<unknown> => {
    const text = await new TokenIssuer([key]).token(settings.audience, 1_000, { iss });
    const token = readJwt(text) ?? assert.fail('no token');
    return (await verifyAccessToken(token, settings, keys, 1_000_000_000)).iss;
  };
  assert.equal(await verified(settings.issuer), settings.issuer);
  await assert.rejects(verified('https://twin.example'), { code: 'UNAUTHENTICATED' });
});
