import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SignJWT } from 'jose';
import { AGENT_TOKEN, TestBed } from './support/gateway.ts';
import { call, derOf, SERVER, type Svid, TrustDomain } from './support/workloads.ts';

const LIMITS = { timeout: 60_000 };
const OURS = new TrustDomain('example.org');
const THEIRS = new TrustDomain('partner.example');
const SUBJECT = 'spiffe://example.org/agents/research';
const AUDIENCE = 'https://gateway.example/mcp';
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const OTHER = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ED = generateKeyPairSync('ed25519');

const x5c = ({ root }: TrustDomain) => ({ use: 'x509-svid', kty: 'EC', x5c: [derOf(root.cert).toString('base64')] });
const jwk = (kid: string, key: KeyObject, use = 'jwt-svid') => ({ ...key.export({ format: 'jwk' }), kid, use });
const OUR_BUNDLE = {
  spiffe_sequence: 1,
  spiffe_refresh_hint: 300,
  keys: [
    x5c(OURS),
    jwk('ec', EC.publicKey),
    jwk('rsa', RSA.publicKey),
    jwk('ed', ED.publicKey),
    jwk('sig', OTHER.publicKey, 'sig'),
    { use: 'x509-svid', kty: 'EC' },
  ],
};
const THEIR_BUNDLE = { keys: [jwk('theirs', OTHER.publicKey)] };
const POLICY = {
  'jwt.cedar': [
    `permit (principal == Agent::"${SUBJECT}", action in Action::"call_tool", resource) when { context.caller.source == "jwt-svid" || context.caller.source == "svid" };`,
    'permit (principal == Agent::"agent", action in Action::"call_tool", resource) when { context.caller.source == "bearer" };',
  ].join('\n'),
};

interface Parts {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  key?: KeyObject;
}

/** A good JWT-SVID but for what is given. */
function token({ header = {}, claims = {}, key = EC.privateKey }: Parts = {}): Promise<string> {
  const whole = { sub: SUBJECT, aud: AUDIENCE, exp: 4_000_000_000, ...claims };
  const alg = typeof header.alg === 'string' ? header.alg : 'ES256';
  return new SignJWT(Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined)))
    .setProtectedHeader({ kid: 'ec', ...header, alg })
    .sign(key);
}

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** Signed by whoever, with a header of any kind. */
const handmade = (header: object, sign: (input: string) => string): string => {
  const input = `${encoded({ kid: 'ec', ...header })}.${encoded({ sub: SUBJECT, aud: AUDIENCE, exp: 4_000_000_000 })}`;
  return `${input}.${sign(input)}`;
};

const GOOD: Record<string, Parts> = {
  'by a key on P-256': {},
  'by an RSA key': { header: { alg: 'RS256', kid: 'rsa' }, key: RSA.privateKey },
  'by an RSA key with PSS': { header: { alg: 'PS384', kid: 'rsa' }, key: RSA.privateKey },
  'for several, of type JOSE': {
    header: { typ: 'JOSE' },
    claims: { aud: ['https://other.example', AUDIENCE], iat: 1 },
  },
};

const HOSTILE: Record<string, () => Promise<string> | string> = {
  'signed by another key under this id': () => token({ key: OTHER.privateKey }),
  'signed by a key of another trust domain': () => token({ header: { kid: 'theirs' }, key: OTHER.privateKey }),
  'signed by a key that is for something else': () => token({ header: { kid: 'sig' }, key: OTHER.privateKey }),
  'signed by a kind of key that JWT-SVIDs do not use': () =>
    token({ header: { alg: 'EdDSA', kid: 'ed' }, key: ED.privateKey }),
  'that names no key': () => token({ header: { kid: undefined } }),
  'without a signature': () => handmade({ alg: 'none' }, () => 'AA'),
  'signed with the public key as a secret': () =>
    handmade({ alg: 'HS256' }, (input) =>
      createHmac('sha256', EC.publicKey.export({ type: 'spki', format: 'pem' }))
        .update(input)
        .digest('base64url'),
    ),
  'of an algorithm that is not the key’s': () => token({ header: { alg: 'RS256' }, key: RSA.privateKey }),
  'that brings its key': () => token({ header: { jwk: OTHER.publicKey.export({ format: 'jwk' }) } }),
  'that says where its key is': () => token({ header: { jku: 'https://example.org/keys' } }),
  'of another type': () => token({ header: { typ: 'at+jwt' } }),
  expired: () => token({ claims: { exp: 1_700_000_000 } }),
  'that never expires': () => token({ claims: { exp: undefined } }),
  'not yet valid': () => token({ claims: { nbf: 3_900_000_000 } }),
  'for another audience': () => token({ claims: { aud: 'https://other.example' } }),
  'for an audience that begins like ours': () => token({ claims: { aud: `${AUDIENCE}/other` } }),
  'for nobody': () => token({ claims: { aud: undefined } }),
  'of an id that is not allowed': () => token({ claims: { sub: 'spiffe://example.org/servers/x' } }),
  'of a trust domain that is not configured': () =>
    token({ claims: { sub: 'spiffe://elsewhere.example/agents/research' } }),
  'of the trust domain itself': () => token({ claims: { sub: 'spiffe://example.org' } }),
  'of no SPIFFE ID': () => token({ claims: { sub: 'research' } }),
};

let bed: TestBed;
let url: URL;

before(async () => {
  const identity = `identity: { spiffe: { trust_domains: { example.org: ./ours.json, partner.example: ./theirs.json }, allowed: ["spiffe://example.org/agents/*", "spiffe://partner.example/*"], audience: "${AUDIENCE}" } }`;
  const config = `tls: { certificate: ./server.pem, key: ./server.key }\n${identity}`;
  bed = await TestBed.create({ tools: [{ name: 'echo' }], policies: POLICY, config });
  const files = {
    'server.pem': SERVER.cert,
    'server.key': SERVER.key,
    'ours.json': JSON.stringify(OUR_BUNDLE),
    'theirs.json': JSON.stringify(THEIR_BUNDLE),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(bed.folder, name), text);
  url = (await bed.start()).url;
});

after(() => bed.close());

test(
  'a JWT-SVID names the workload that the keys of its trust domain vouch for, and nobody else [AUTHZ-12] [AUTHZ-06]',
  LIMITS,
  async () => {
    for (const [which, parts] of Object.entries(GOOD))
      assert.equal((await call(url, null, { token: await token(parts) })).allowed, true, which);
    const cases = Object.entries(HOSTILE);
    const outcomes = await Promise.all(
      cases.map(async ([which, make], index) => {
        const answer = await call(url, null, { token: await make(), from: `127.0.2.${index + 1}` });
        return [which, answer.status];
      }),
    );
    assert.deepEqual(Object.fromEntries(outcomes), Object.fromEntries(cases.map(([which]) => [which, 401])));
    assert.equal((await call(url, null, { token: AGENT_TOKEN })).allowed, true, 'tokens of the configuration go on');
  },
);

test('a certificate and a token of one request have to name the same workload [AUTHZ-12]', LIMITS, async () => {
  const ask = async (svid: Svid | null, shown: string): Promise<number> =>
    (await call(url, svid, { token: shown })).status;
  const research = OURS.svid('/agents/research');
  assert.equal(await ask(research, await token()), 200);
  assert.equal(await ask(OURS.svid('/agents/other'), await token()), 401);
  assert.equal(await ask(research, await token({ key: OTHER.privateKey })), 401, 'a bad token is not made up for');
  assert.equal(
    (await call(url, THEIRS.svid('/job'))).status,
    503,
    'a bundle without authorities verifies no certificate',
  );
});
