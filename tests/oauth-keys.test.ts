import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALLOW_ALL, type TestBed, withBed } from './support/gateway.ts';
import { modern, send } from './support/ingress.ts';
import { ManualTime } from './support/manual-time.ts';
import { timed } from './support/timed-gateway.ts';
import { issuerKey, TokenIssuer } from './support/token-issuer.ts';

const RESOURCE = 'https://gateway.example/mcp';
const KEYS = await Promise.all([issuerKey('one'), issuerKey('two'), issuerKey('three'), issuerKey('rsa', 'RS256')]);
const [one, two, three, rsa] = KEYS as [(typeof KEYS)[0], (typeof KEYS)[0], (typeof KEYS)[0], (typeof KEYS)[0]];

interface Serving {
  bed: TestBed;
  time: ManualTime;
  issuers: TokenIssuer[];
  /** The status of a call with a token of the issuer with this number. */
  status(index: number, key?: typeof one): Promise<number>;
}

/** A gateway with this many issuers, of whom `row` says more. */
async function withIssuers(
  count: number,
  row: (index: number, issuers: TokenIssuer[]) => string,
  run: (serving: Serving) => Promise<void>,
  config: (issuers: TokenIssuer[]) => string = () => '',
): Promise<void> {
  const issuers = await Promise.all(Array.from({ length: count }, () => new TokenIssuer([one]).listen()));
  const rows = issuers.map(
    ({ url }, index) => `{ issuer: "${url}", scopes: ignored, subject_prefix: "i${index}/", ${row(index, issuers)} }`,
  );
  const identity = `identity: { resource: "${RESOURCE}", oauth: [${rows.join(', ')}] }`;
  const setup = { tools: [{ name: 'echo' }], policies: ALLOW_ALL, config: `${identity}\n${config(issuers)}` };
  try {
    await withBed(setup, async (bed) => {
      const time = new ManualTime();
      const { url } = await bed.start(timed(time));
      const status = async (index: number, key = one): Promise<number> => {
        const token = (await issuers[index]?.token(RESOURCE, time.nowMicros() / 1e6, {}, { key })) ?? '';
        const sent = modern('tools/call', { name: 'echo', arguments: {} });
        return (await send(Number(url.port), { ...sent, credential: `Bearer ${token}` })).status;
      };
      await run({ bed, time, issuers, status });
    });
  } finally {
    await Promise.all(issuers.map((issuer) => issuer.close()));
  }
}

test('a new key is asked for when a token names it, not more often than the cool-down allows, and a withdrawn one goes [AUTHZ-06]', () =>
  withIssuers(
    1,
    () => 'outage: 1h',
    async ({ time, issuers: [issuer], status }) => {
      assert.ok(issuer);
      assert.deepEqual(issuer.asked, [], 'nobody is asked before a token needs it');
      assert.deepEqual(await Promise.all([status(0), status(0), status(0)]), [200, 200, 200]);
      const asked = (): number => issuer.asked.filter((path) => path === '/jwks').length;
      assert.equal(asked(), 1, 'one question serves everybody who waits');
      issuer.keys = [one, two];
      assert.equal(await status(0, two), 401, 'within the cool-down');
      assert.equal(asked(), 1);
      time.advance(30_000);
      assert.equal(await status(0, two), 200);
      assert.deepEqual([await status(0, three), await status(0, three)], [401, 401]);
      assert.equal(asked(), 2, 'invented keys are not asked for again and again');
      issuer.keys = [two];
      time.advance(600_001);
      assert.equal(await status(0), 401, 'the withdrawn key, though nobody called meanwhile');
      assert.equal(asked(), 3);
      assert.equal(await status(0, two), 200);
    },
  ));

test('while an issuer is away its known keys are used up to the limit, then nobody of it is let in until it answers [AUTHZ-03]', () =>
  withIssuers(
    2,
    () => 'outage: 1h',
    async ({ bed, time, issuers: [issuer], status }) => {
      assert.ok(issuer);
      assert.equal(await status(0), 200);
      issuer.answers.set('/jwks', null);
      time.advance(3_600_000);
      assert.equal(await status(0), 200, 'at the limit');
      await bed.reported('identity.unavailable');
      time.advance(1);
      const calls = bed.server.calls.length;
      assert.equal(await status(0), 503);
      assert.equal(await status(1), 200, 'another issuer is none the worse');
      const before = issuer.asked.length;
      assert.equal(await status(0), 503);
      assert.equal(issuer.asked.length, before, 'it is not asked for every request');
      assert.equal(bed.server.calls.length, calls + 1);
      issuer.answers.delete('/jwks');
      time.advance(5_000);
      assert.equal(await status(0), 200);
    },
  ));

test('keys come from the configured issuer alone: no redirect, no other host, no other issuer’s metadata, nothing that is no JWK set [AUTHZ-06] [AUTHZ-10]', () =>
  withIssuers(
    9,
    (index, issuers) => (index === 8 ? `jwks_uri: "${issuers[0]?.url}/elsewhere"` : ''),
    async ({ bed, issuers, status }) => {
      const well = '/.well-known/openid-configuration';
      const metadata = (index: number, more: object): unknown => {
        const url = issuers[index]?.url;
        return { issuer: url, jwks_uri: `${url}/jwks`, ...more };
      };
      const elsewhere = new URL(`${issuers[7]?.url}/jwks`);
      issuers[0]?.answers.set(well, metadata(0, { jwks_uri: elsewhere.href }));
      issuers[0]?.answers.set('/elsewhere', { keys: [one.jwk] });
      issuers[1]?.answers.set(well, metadata(1, { issuer: issuers[7]?.url }));
      issuers[2]?.answers.set('/jwks', elsewhere);
      issuers[3]?.answers.set('/jwks', 'not json');
      issuers[4]?.answers.set('/jwks', { keys: [one.jwk], pad: 'x'.repeat(300_000) });
      issuers[5]?.answers.set('/jwks', { keys: 'none' });
      issuers[6]?.answers.set(well, metadata(6, { jwks_uri: 'http://169.254.169.254/jwks' }));
      const why = [
        /its keys are at 127\.0\.0\.1:\d+; set `jwks_uri`/,
        /its metadata is that of another issuer/,
        /there is no JWK set/,
        /its answer is no JSON object/,
        /longer than 262144 bytes/,
        /there is no JWK set/,
        /its keys are at 169\.254\.169\.254:80/,
      ];
      for (const [index, reason] of why.entries()) {
        assert.equal(await status(index), 503, `issuer ${index}`);
        assert.match(bed.reports.at(-1) ?? '', reason);
      }
      assert.deepEqual(issuers[7]?.asked, [], 'nobody was led there');
      assert.deepEqual(bed.server.calls, []);
      assert.equal(await status(7), 200);
      assert.equal(await status(8), 200, 'where the configuration itself says so');
    },
    (issuers) => `egress: { allow: [${issuers.map(({ url }) => `"${new URL(url).host}"`).join(', ')}] }`,
  ));

test('an issuer that is not on the egress list is not asked, and keys that could also sign are not believed [AUTHZ-06] [AUTHZ-10]', () =>
  withIssuers(
    2,
    () => '',
    async ({ issuers, status }) => {
      assert.equal(await status(0), 503);
      assert.deepEqual(issuers[0]?.asked, []);
      const secret = { kty: 'oct', kid: 'oct', k: 'c2VjcmV0', alg: 'HS256' };
      const weak = { ...rsa.jwk, kid: 'weak', n: String(rsa.jwk.n).slice(0, 100) };
      const broken = { kty: 'EC', kid: 'two', crv: 'P-256', x: 'AA', y: 'AA', use: 'sig' };
      const shown = { ...three.jwk, d: 'AA' };
      issuers[1]?.answers.set('/jwks', { keys: [secret, weak, broken, shown, 7, one.jwk] });
      assert.equal(await status(1), 200);
      for (const key of [two, three, { ...rsa, kid: 'weak' }]) assert.equal(await status(1, key), 401, key.kid);
    },
    (issuers) => `egress: { allow: ["${new URL(issuers[1]?.url ?? '').host}"] }`,
  ));
