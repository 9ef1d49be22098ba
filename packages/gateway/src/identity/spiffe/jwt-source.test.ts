import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { systemClock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';
import { JwtSvidSource } from './jwt-source.ts';
import { Workloads } from './workloads.ts';

const AUDIENCE = 'https://gateway.example/mcp';
const KEYS = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const SOURCE = new JwtSvidSource({
  workloads: new Workloads({
    trustDomains: { 'example.org': { bundle: null } },
    allowed: ['spiffe://example.org/*'],
    groups: { staff: ['spiffe://example.org/people/*'], all: ['spiffe://example.org/*'], none: [] },
  }),
  bundleOf: () => ({ authorities: [], jwtKeys: new Map([['one', KEYS.publicKey]]) }),
  clock: systemClock,
  audience: AUDIENCE,
  otherIssuers: ['https://login.example'],
});

const token = (claims: Record<string, unknown>): Promise<string> =>
  new SignJWT({ aud: AUDIENCE, exp: 4_000_000_000, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .sign(KEYS.privateKey);
const identify = (authorization: string) =>
  SOURCE.identify({ method: 'POST', target: '/mcp', headers: () => [authorization], certificates: null });

test('a token of an authorization server is its own source’s, also where its subject is a SPIFFE ID [AUTHZ-12]', async () => {
  const sub = 'spiffe://example.org/agents/a';
  const caller = { subject: sub, source: 'jwt-svid', groups: ['all'], expiresMicros: 4e15 };
  assert.deepEqual(await identify(`Bearer ${await token({ sub })}`), caller);
  assert.deepEqual(await identify(`bearer ${await token({ sub, iss: 'https://spire.example' })}`), caller);
  assert.equal(await identify(`Bearer ${await token({ sub, iss: 'https://login.example' })}`), null);
});

test('what is no JWT-SVID of a configured trust domain is left to others [AUTHZ-12]', async () => {
  const jwt = await token({ sub: 'spiffe://example.org/a' });
  const [header = '', claims = '', signature = ''] = jwt.split('.');
  const twice = Buffer.from('{"sub":"spiffe://example.org/a","sub":"x"}').toString('base64url');
  const others = [
    '',
    'Bearer opaque',
    `Basic ${jwt}`,
    `DPoP ${jwt}`,
    `Bearer ${header}.${claims}`,
    `Bearer ${jwt}.${signature}`,
    `Bearer ${header}.${twice}.${signature}`,
    `Bearer ${await token({ sub: 'spiffe://elsewhere.example/a' })}`,
    `Bearer ${await token({ sub: 7 })}`,
    `Bearer ${await token({ sub: 'spiffe://example.org/a', pad: 'x'.repeat(9000) })}`,
  ];
  for (const authorization of others) assert.equal(await identify(authorization), null, authorization.slice(0, 60));
});

test('a workload is in every group that names it, by ID or path [AUTHZ-12]', async () => {
  const caller = await identify(`Bearer ${await token({ sub: 'spiffe://example.org/people/anna' })}`);
  assert.deepEqual(caller?.groups, ['all', 'staff']);
});

test('whatever a token says, it names a workload, is left to others, or is refused [AUTHZ-12]', async () => {
  const values = fc.oneof(
    fc.jsonValue({ maxDepth: 1 }),
    fc.constantFrom(AUDIENCE, 4e9, 'spiffe://example.org/a', 'ES256', 'one'),
  );
  const names = fc.constantFrom('alg', 'kid', 'typ', 'crit', 'b64', 'sub', 'aud', 'exp', 'nbf', 'iat', 'iss');
  const changes = fc.array(fc.tuple(fc.nat(1), names, values), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(changes, async (edits) => {
      const parts: Record<string, unknown>[] = [
        { alg: 'ES256', kid: 'one' },
        { sub: 'spiffe://example.org/a', aud: AUDIENCE, exp: 4e9 },
      ];
      for (const [part, name, value] of edits) Object.assign(parts[part] ?? {}, { [name]: value });
      const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
      const signature = sign('sha256', Buffer.from(input), { key: KEYS.privateKey, dsaEncoding: 'ieee-p1363' });
      try {
        const caller = await identify(`Bearer ${input}.${signature.toString('base64url')}`);
        assert.ok(caller === null || caller.subject === parts[1]?.sub);
      } catch (error) {
        assert.ok(error instanceof GatewayError && error.code === 'UNAUTHENTICATED', String(error));
      }
    }),
    { numRuns: 100 },
  );
});
