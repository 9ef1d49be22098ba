import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { issuerKey } from '../../../../../tests/support/token-issuer.ts';
import { type OAuthIssuer, TOKEN_ALGORITHMS } from '../../config/identity-oauth.ts';
import { GatewayError } from '../../errors.ts';
import type { Presented } from '../types.ts';
import { requireProof } from './dpop.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { resourceMetadata } from './metadata.ts';
import { UsedProofs } from './replays.ts';
import { OAuthSource } from './source.ts';

const RESOURCE = 'https://gateway.example/mcp';
const ISSUER = 'https://login.example';
const settings: OAuthIssuer = {
  issuer: ISSUER,
  audience: RESOURCE,
  jwksUri: `${ISSUER}/jwks`,
  ca: null,
  algorithms: [...TOKEN_ALGORITHMS],
  tokenType: 'any',
  subjectClaim: 'sub',
  subjectPrefix: '',
  userClaim: 'user',
  groupsClaim: 'groups',
  workflowClaim: 'wf',
  requiredScopes: [],
  scopes: 'enforced',
  clockToleranceMs: 0,
  dpop: 'optional',
  outageMs: 60_000,
};

const key = await issuerKey('one');
const keys = new IssuerKeys(settings, {
  get: async () => ({ keys: [{ ...key.jwk } as never] }),
  monotonic: () => 0,
  report: () => {},
});
const source = new OAuthSource({
  resource: RESOURCE,
  used: new UsedProofs(),
  issuers: [{ settings, keys }],
  metadata: resourceMetadata(RESOURCE, [settings], []),
  clock: { nowMicros: () => 1_800_000_000_000_000 },
});

const presented = (authorization: string[], dpop: string[]): Presented => ({
  method: 'POST',
  target: '/mcp',
  certificates: null,
  headers: (name) => (name === 'authorization' ? authorization : name === 'dpop' ? dpop : []),
});

/** Whatever it is, it names nobody, and the refusal is one of ours. */
async function namesNobody(run: () => Promise<unknown>): Promise<void> {
  try {
    assert.equal(await run(), null);
  } catch (error) {
    assert.ok(error instanceof GatewayError && error.code === 'UNAUTHENTICATED', String(error));
  }
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const some = (...values: unknown[]) => fc.oneof(fc.constantFrom(...values), fc.jsonValue({ maxDepth: 2 }));
const jwk = fc.record(
  {
    kty: some('EC', 'RSA', 'OKP', 'oct', 'AKP'),
    crv: some('P-256', 'Ed25519', 'P-521'),
    x: some(key.jwk.x, 'AA', ''),
    y: some(key.jwk.y, 'AA', ''),
    n: some('AQAB'),
    e: some('AQAB', ''),
    k: some('AA'),
  },
  { requiredKeys: [] },
);
const header = fc.record(
  { alg: some('none', 'HS256', ...TOKEN_ALGORITHMS), kid: some('one', 'two'), typ: some('at+jwt', 'dpop+jwt'), jwk },
  { requiredKeys: ['alg', 'typ'] },
);
const claims = fc.record(
  { iss: some(ISSUER), aud: some(RESOURCE), sub: some('a'), exp: some(2e9), iat: some(1e9), act: some({ sub: 'x' }) },
  { requiredKeys: [] },
);
const signature = fc.oneof(
  fc.constant(''),
  fc.base64String().map((text) => text.replace(/[^A-Za-z0-9]/g, '')),
);
const jwt = fc.tuple(header, claims, signature).map(([head, body, end]) => `${part(head)}.${part(body)}.${end}`);
const text = fc.oneof(fc.string({ unit: 'binary' }), jwt);

test('no Authorization or DPoP header makes the reader throw anything but its refusal, and none names anybody [AUTHZ-14]', () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom('Bearer ', 'DPoP ', 'bearer  ', ''),
      text,
      fc.array(text, { maxLength: 2 }),
      (scheme, token, dpop) => namesNobody(() => source.identify(presented([`${scheme}${token}`], dpop))),
    ),
    { numRuns: 100 },
  ));

test('no proof whose key is made up proves anything [AUTHZ-14]', () =>
  fc.assert(
    fc.asyncProperty(text, (proof) =>
      namesNobody(async () => {
        const deps = { resource: RESOURCE, used: new UsedProofs() };
        const shown = { token: 'token', key: 'key' };
        await requireProof(presented([], [proof]), shown, deps, 1_800_000_000_000_000);
        return 'somebody';
      }),
    ),
    { numRuns: 100 },
  ));
