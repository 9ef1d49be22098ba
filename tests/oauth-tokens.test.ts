import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { calculateJwkThumbprint, exportSPKI } from 'jose';
import { AGENT_TOKEN, ALLOW_ALL, TestBed } from './support/gateway.ts';
import { type Answered, modern, send } from './support/ingress.ts';
import { ManualTime } from './support/manual-time.ts';
import { timed } from './support/timed-gateway.ts';
import { dpopProof, type IssuerKey, issuerKey, TokenIssuer } from './support/token-issuer.ts';

const RESOURCE = 'https://gateway.example/tools/mcp';
const METADATA = 'https://gateway.example/.well-known/oauth-protected-resource/tools/mcp';

let key: IssuerKey;
let rsa: IssuerKey;
let holder: IssuerKey;
let stranger: IssuerKey;
let issuer: TokenIssuer;
let other: TokenIssuer;
let bed: TestBed;
let port = 0;
const time = new ManualTime();
const now = (): number => Math.floor(time.nowMicros() / 1e6);

before(async () => {
  [key, rsa, holder, stranger] = await Promise.all([
    issuerKey('one'),
    issuerKey('rsa', 'RS256'),
    issuerKey('holder'),
    issuerKey('one'),
  ]);
  issuer = await new TokenIssuer([key, rsa]).listen();
  other = await new TokenIssuer([stranger, rsa]).listen();
  const rows = [
    `{ issuer: "${issuer.url}", subject_prefix: "a/", scopes: ignored, groups_claim: groups, workflow_claim: wf, required_scopes: [mcp:tools] }`,
    `{ issuer: "${other.url}", subject_prefix: "b/", scopes: ignored, token_type: any, dpop: required, algorithms: [ES256] }`,
  ];
  bed = await TestBed.create({
    tools: [{ name: 'echo' }],
    policies: ALLOW_ALL,
    config: `allowed_hosts: [gateway.example]\nidentity: { resource: "${RESOURCE}", oauth: [${rows.join(', ')}] }`,
  });
  const { url } = await bed.start(timed(time));
  port = Number(url.port);
});

after(async () => {
  await bed.close();
  await Promise.all([issuer.close(), other.close()]);
});

/** A call of the tool with this Authorization header. */
function callWith(credential: string | null, headers: Record<string, string | string[]> = {}): Promise<Answered> {
  const { body, headers: own } = modern('tools/call', { name: 'echo', arguments: {} });
  return send(port, { body: body ?? null, credential, headers: { ...own, ...headers } });
}

const good = (claims: Record<string, unknown> = {}, how: Parameters<TokenIssuer['token']>[3] = {}): Promise<string> =>
  issuer.token(RESOURCE, now(), claims, how);

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a token of the issuer for this gateway lets its subject in, by whichever key and algorithm it publishes [AUTHZ-03]', async () => {
  bed.server.calls.length = 0;
  for (const token of [
    await good(),
    await good({}, { key: rsa }),
    await good({ aud: ['x', RESOURCE] }),
    await good({ exp: now() + 1.5 }),
  ]) {
    const answer = await callWith(`Bearer ${token}`);
    assert.equal(answer.status, 200, answer.text);
    assert.ok('result' in answer.json, answer.text);
  }
  assert.equal((await callWith(`bearer ${await good()}`)).status, 200, 'the scheme in any case');
  assert.equal((await callWith(`Bearer ${AGENT_TOKEN}`)).status, 200, 'tokens of the configuration go on being good');
  assert.equal(bed.server.calls.length, 6);
});

test('a token that is forged, of another time, place or kind is refused, and nothing of the call is sent [AUTHZ-03] [AUTHZ-06]', async () => {
  bed.server.calls.length = 0;
  const valid = await good();
  const [head = '', body = '', signature = ''] = valid.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
  const spki = await exportSPKI(rsa.publicKey);
  const unsigned = (header: unknown, more: unknown = claims): string => `${encode(header)}.${encode(more)}`;
  const hmac = (text: string, secret: string): string =>
    `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  const hs256 = unsigned({ alg: 'HS256', kid: 'rsa', typ: 'at+jwt' });
  const forged: Record<string, string> = {
    expired: await good({ exp: now() - 31 }),
    'without an end': await good({ exp: undefined }),
    'not yet good': await good({ nbf: now() + 31 }),
    'issued in the future': await good({ iat: now() + 31, exp: now() + 300 }),
    'without a time of issue': await good({ iat: undefined }),
    'an end that is no number': await good({ exp: 'tomorrow' }),
    'for somebody else': await good({ aud: 'https://other.example/mcp' }),
    'for nobody': await good({ aud: undefined }),
    'for a URL that begins the same': await good({ aud: `${RESOURCE}/` }),
    'of nobody': await good({ iss: undefined }),
    'of an unknown issuer': await good({ iss: 'https://evil.example' }),
    'of an issuer in a list': await good({ iss: [issuer.url] }),
    'signed by another issuer': await good({}, { key: stranger }),
    'of another issuer in this one’s name': await other.token(RESOURCE, now(), { iss: issuer.url }),
    'an unknown key': await good({}, { header: { kid: 'unknown' } }),
    'a key id that is no text': await good({}, { header: { kid: 1 } }),
    'HMAC with the public key in PEM': hmac(hs256, spki),
    'HMAC with the public key as it is published': hmac(hs256, JSON.stringify(rsa.jwk)),
    'another algorithm of the same key': unsigned({ alg: 'PS256', kid: 'rsa', typ: 'at+jwt' }).concat('.', signature),
    'the algorithm of another key': await good({}, { header: { kid: 'rsa' } }),
    'no algorithm': `${unsigned({ alg: 'none', typ: 'at+jwt' })}.`,
    'no algorithm, with a signature': `${unsigned({ alg: 'none', kid: 'one', typ: 'at+jwt' })}.${signature}`,
    'no algorithm in capitals': `${unsigned({ alg: 'NONE', typ: 'at+jwt' })}.`,
    'its signature stripped': `${head}.${body}.`,
    'two parts': `${head}.${body}`,
    'its signature of another token': `${head}.${encode({ ...claims, sub: 'admin' })}.${signature}`,
    'a key in its header': await good({}, { key: holder, header: { kid: undefined, jwk: holder.jwk } }),
    'a key in its header, signed as it should be': await good({}, { header: { jwk: key.jwk } }),
    'the URL of keys in its header': await good({}, { header: { jku: `${other.url}/jwks` } }),
    'the URL of a certificate in its header': await good({}, { header: { x5u: `${other.url}/x5u` } }),
    'a certificate in its header': await good({}, { header: { x5c: ['AAAA'] } }),
    'something that must be understood': await good({}, { header: { crit: ['x'], x: 1 } }),
    'an ID token': await good({ nonce: 'n' }, { header: { typ: 'JWT' } }),
    'without a kind': await good({}, { header: { typ: undefined } }),
    'a proof instead of a token': await good({}, { header: { typ: 'dpop+jwt' } }),
    'a logout token': await good({}, { header: { typ: 'logout+jwt' } }),
    'without a subject': await good({ sub: undefined }),
    'an empty subject': await good({ sub: '' }),
    'a subject that cannot be written down': await good({ sub: 'né' }),
    'a subject with a line break': await good({ sub: 'a\nb' }),
    'a subject that is no text': await good({ sub: 7 }),
    'a subject without end': await good({ sub: 's'.repeat(300) }),
    'an actor that is none': await good({ act: 'admin' }),
    'an actor without a name': await good({ act: {} }),
    'an actor of another issuer': await good({ act: { sub: 'admin', iss: 'https://evil.example' } }),
    'groups that are none': await good({ groups: 'admin' }),
    'a group that is none': await good({ groups: [1] }),
    'scopes that are none': await good({ scope: 7 }),
    'a workflow that is none': await good({ wf: [] }),
    'bound to something unknown': await good({ cnf: { kid: 'x' } }),
    'bound to nothing': await good({ cnf: {} }),
    'bound to a certificate that is not shown': await good({ cnf: { 'x5t#S256': 'x'.repeat(43) } }),
    'bound to a key, without a proof': await good({ cnf: { jkt: await calculateJwkThumbprint(holder.jwk) } }),
    'not bound, where it has to be': await other.token(RESOURCE, now()),
    'repeated members': `${Buffer.from('{"alg":"ES256","alg":"ES256","kid":"one","typ":"at+jwt"}').toString('base64url')}.${body}.${signature}`,
    'too long': await good({ pad: 'x'.repeat(9000) }),
  };
  for (const [what, token] of Object.entries(forged)) {
    const answer = await callWith(`Bearer ${token}`);
    // The many failures of one address are answered with 429 after a while, and nothing else changes.
    assert.ok([401, 429].includes(answer.status), `${what}: ${answer.status} ${answer.text}`);
    if (answer.status === 429) time.advance(60_000);
  }
  assert.deepEqual(bed.server.calls, []);
  assert.ok(!other.asked.some((path) => path !== '/jwks' && !path.startsWith('/.well-known/')), 'nothing was fetched');
});

test('a refusal names the metadata and the scopes that would do, and the metadata names the issuers [AUTHZ-01] [AUTHZ-02]', async () => {
  time.advance(60_000);
  const bare = await callWith(null);
  assert.equal(bare.status, 401);
  const challenge = `Bearer resource_metadata="${METADATA}", scope="mcp:tools"`;
  const algorithms = 'ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA';
  assert.equal(bare.headers['www-authenticate'], `${challenge}, DPoP algs="${algorithms}"`);
  const bad = await callWith('Bearer x');
  const said = String(bad.headers['www-authenticate']);
  assert.ok(said.startsWith(`${challenge}, error="invalid_token"`), said);
  const narrow = await callWith(`Bearer ${await good({ scope: 'other' })}`);
  assert.equal(narrow.status, 403);
  assert.ok(String(narrow.headers['www-authenticate']).startsWith(`${challenge}, error="insufficient_scope"`));

  for (const path of ['', '/mcp', '/tools/mcp']) {
    const Host = 'gateway.example';
    const whole = `/.well-known/oauth-protected-resource${path}`;
    const found = await send(port, { method: 'GET', path: whole, credential: null, headers: { Host } });
    assert.equal(found.status, 200, path);
    assert.equal(found.json.resource, RESOURCE, 'whatever the Host header says');
    assert.deepEqual(found.json.authorization_servers, [issuer.url, other.url]);
    assert.deepEqual(found.json.bearer_methods_supported, ['header']);
    assert.deepEqual(found.json.scopes_supported, ['mcp:tools', 'mcp:tools:read', 'mcp:resources', 'mcp:prompts']);
  }
  for (const [method, path] of [
    ['POST', '/.well-known/oauth-protected-resource'],
    ['GET', '/.well-known/oauth-protected-resource/other'],
    ['GET', '/.well-known/oauth-authorization-server'],
  ] as const) {
    assert.equal((await send(port, { method, path, credential: null })).status, 404, path);
  }
});

test('the session is that of the subject under the prefix of its issuer, or of the actor where somebody delegated [AUTHZ-11]', async () => {
  const token = await good({ sub: 'ada', act: { sub: 'bot', act: { sub: 'earlier' } }, groups: ['desk'], wf: 'w-1' });
  assert.equal((await callWith(`Bearer ${token}`)).status, 200);
  const { body } = await bed.operator('GET', '/operator/v1/sessions');
  const subjects = (body.sessions as { subject: string }[]).map(({ subject }) => subject);
  assert.deepEqual([...new Set(subjects)].sort(), ['a/agent', 'a/bot', 'agent', 'gateway']);
});

test('a bound token needs a proof of its key, of this request and of now, which is good once [AISVS-10.3.5]', async () => {
  bed.server.calls.length = 0;
  time.advance(60_000);
  const jkt = await calculateJwkThumbprint(holder.jwk);
  const token = await good({ cnf: { jkt } });
  const unbound = await good();
  const proof = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}, by = holder) =>
    dpopProof(by, token, RESOURCE, now(), claims, header);
  const once = await proof();
  const call = (dpop: string | string[] | null, credential = `DPoP ${token}`): Promise<Answered> =>
    callWith(credential, dpop === null ? {} : { DPoP: dpop });
  for (const fine of [
    once,
    await proof({ htu: 'HTTPS://gateway.EXAMPLE:443/tools/mcp?x#y' }),
    await proof({ iat: now() - 59 }),
    await proof({ iat: now() + 29 }),
  ]) {
    assert.equal((await call(fine)).status, 200);
  }
  assert.equal(bed.server.calls.length, 4);
  const { d: _, ...publicOf } = holder.jwk;
  const bad: Record<string, [string | string[] | null, string?]> = {
    'used before': [once],
    missing: [null],
    twice: [[await proof(), await proof()]],
    'no token': ['x.y.z'],
    'for another method': [await proof({ htm: 'GET' })],
    'for another URL': [await proof({ htu: 'https://gateway.example/mcp' })],
    'for this address instead of the resource': [await proof({ htu: `http://127.0.0.1:${port}/mcp` })],
    'without a URL': [await proof({ htu: undefined })],
    'of another token': [await proof({ ath: createHash('sha256').update(unbound).digest('base64url') })],
    'without a token': [await proof({ ath: undefined })],
    'too old': [await proof({ iat: now() - 60 })],
    'of the future': [await proof({ iat: now() + 31 })],
    'of no time': [await proof({ iat: undefined })],
    'without an id': [await proof({ jti: undefined })],
    'with an endless id': [await proof({ jti: 'x'.repeat(300) })],
    'by another key': [await proof({}, {}, stranger)],
    'by another key than it shows': [await proof({}, { jwk: publicOf }, stranger)],
    'with a key that is none': [await proof({}, { jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } })],
    'without a key': [await proof({}, { jwk: undefined })],
    'of another kind': [await proof({}, { typ: 'JWT' })],
    'shown as a bearer': [await proof(), `Bearer ${token}`],
    'for a token that is not bound': [await proof(), `DPoP ${unbound}`],
    'for a token of nobody': [await proof(), 'DPoP opaque'],
    'for a token of the configuration': [await proof(), `DPoP ${AGENT_TOKEN}`],
  };
  for (const [what, [dpop, credential]] of Object.entries(bad)) {
    const answer = await call(dpop, credential);
    assert.ok([401, 429].includes(answer.status), `${what}: ${answer.status} ${answer.text}`);
  }
  assert.equal(bed.server.calls.length, 4);
});

test('an issuer whose tokens all have to be bound is served with bound ones [AISVS-10.3.5]', async () => {
  time.advance(60_000);
  const cnf = { jkt: await calculateJwkThumbprint(holder.jwk) };
  const statusOf = async (...[claims, how]: [Record<string, unknown>?, Parameters<TokenIssuer['token']>[3]?]) => {
    const token = await other.token(RESOURCE, now(), { cnf, ...claims }, how);
    return (await callWith(`DPoP ${token}`, { DPoP: await dpopProof(holder, token, RESOURCE, now()) })).status;
  };
  assert.equal(await statusOf(), 200);
  assert.equal(await statusOf({}, { header: { typ: 'JWT' } }), 200, 'this issuer does not mark its access tokens');
  assert.equal(await statusOf({ nonce: 'n' }), 401, 'an ID token');
  assert.equal(await statusOf({}, { key: rsa }), 401, 'a published key of an algorithm that is not accepted');
});
