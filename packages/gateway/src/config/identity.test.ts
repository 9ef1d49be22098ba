import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { egressOf } from '../egress.ts';
import { GatewayError } from '../errors.ts';
import { readEnvironment } from './environment.ts';
import { loadConfig, readConfig } from './load.ts';
import type { Config } from './types.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);
const production = readEnvironment({});

let file = '';
before(async () => {
  file = join(await mkdtemp(join(tmpdir(), 'cmcp-identity-')), 'cmcp.yaml');
});
after(() => rm(join(file, '..'), { recursive: true, force: true }));

async function read(text: string, environment = production): Promise<Config> {
  await writeFile(file, text);
  return readConfig(file, environment);
}

const problem = async (text: string, environment = production): Promise<string> => {
  const refused = await read(text, environment).then(
    () => assert.fail(`accepted: ${text}`),
    (error: unknown) => error,
  );
  assert.ok(refused instanceof GatewayError && refused.code === 'CONFIG_INVALID', String(refused));
  return refused.detail;
};

const issuers = (...rows: string[]): string =>
  `identity: { resource: "https://gateway.example/mcp", oauth: [${rows.map((row) => `{ ${row} }`).join(', ')}] }\n`;
const LOGIN = 'issuer: "https://login.example"';

test('an agent may have several tokens at once, an end, scopes and groups [AUTHZ-07]', async () => {
  const { agents } = await read(
    `agents: [{ subject: a, token_sha256: [${A}, ${B}], expires: 2027-01-01T00:00:00Z, scopes: [], groups: [desk] }]`,
  );
  const expiresMicros = Date.UTC(2027, 0, 1) * 1000;
  assert.deepEqual(agents, [{ subject: 'a', tokenSha256: [A, B], expiresMicros, scopes: [], groups: ['desk'] }]);
});

test('what of an agent or an issuer makes no sense is refused with its place', async () => {
  const agent = (more: string): string => `agents: [{ subject: a, ${more} }]`;
  const cases: [string, RegExp][] = [
    [agent('token_sha256: []'), /agents\[0\]\.token_sha256: .*found an empty list/],
    [agent(`token_sha256: [${A}, s3cret]`), /agents\[0\]\.token_sha256\[1\]: .*not shown/],
    [agent(`token_sha256: [${A}, ${A}]`), /the same token as agents\[0\]/],
    [agent(`token_sha256: ${A}, expires: tomorrow`), /agents\[0\]\.expires: expected a time with its zone/],
    [agent(`token_sha256: ${A}, expires: 2027-01-01T00:00:00`), /expected a time with its zone/],
    [agent(`token_sha256: ${A}, expires: 2027-13-01T00:00:00Z`), /expected a time with its zone/],
    [agent(`token_sha256: ${A}, scopes: ["a b"]`), /agents\[0\]\.scopes\[0\]: expected a scope/],
    [agent(`token_sha256: ${A}, groups: ["né"]`), /agents\[0\]\.groups\[0\]: expected a name/],
    [issuers('audience: x'), /oauth\[0\]\.issuer: missing/],
    [issuers('issuer: "https://login.example?x"'), /expected a URL without query/],
    [issuers('issuer: "http://login.example"'), /oauth\[0\]\.issuer: must be https/],
    [issuers(`${LOGIN}, jwks_uri: "http://login.example/jwks"`), /jwks_uri: must be https/],
    [issuers(`${LOGIN}, algorithms: [HS256]`), /algorithms\[0\]: expected `ES256`/],
    [issuers(`${LOGIN}, algorithms: [none]`), /algorithms\[0\]/],
    [issuers(LOGIN, LOGIN), /issuer: is there already/],
    [issuers(LOGIN, 'issuer: "https://login.example/other"'), /subject_prefix: begins as that of https:\/\/login/],
    [issuers(LOGIN, 'issuer: "https://x.example", subject_prefix: ""'), /subject_prefix: begins as/],
    [issuers(`${LOGIN}, subject_prefix: "spiffe://td/"`), /how workloads of a trust domain are named/],
    [
      `agents: [{ subject: b, token_sha256: ${B} }, { subject: research, token_sha256: ${A} }]\n${issuers(`${LOGIN}, subject_prefix: "res"`)}`,
      /agents\[1\]\.subject: begins as those that https:\/\/login\.example names/,
    ],
    [
      `operator: { credentials: [{ subject: anna, token_sha256: ${A} }], listen: "127.0.0.1:0", tls: { certificate: a, key: b, client_ca: c }, certificates: [{ certificate: "email:ben@x.example", subject: ben }], oidc: { ${LOGIN}, resource: "https://op.example", groups_claim: g, subject_prefix: "", grants: [] } }`,
      /operator\.credentials\[0\]\.subject: begins as(?:.|\n)*operator\.certificates\[0\]\.subject: begins as/,
    ],
    [`identity: { oauth: [{ ${LOGIN} }] }`, /identity\.resource: is missing/],
    ['identity: { resource: "https://gateway.example/mcp?x=1" }', /resource: expected a URL without query/],
    ['identity: { resource: "http://gateway.example/mcp" }', /resource: must be https/],
  ];
  for (const [text, why] of cases) assert.match(await problem(text), why, text);
});

test('plain http is for this machine in dev mode only [AUTHZ-06]', async () => {
  const text = 'identity: { resource: "http://127.0.0.1:1/mcp", oauth: [{ issuer: "http://127.0.0.1:2" }] }';
  assert.equal((await read(text, readEnvironment({ CMCP_DEV_MODE: '1' }))).identity.oauth.length, 1);
  assert.match(await problem(text), /must be https/);
  const elsewhere = text.replace('127.0.0.1:2', '10.0.0.1');
  assert.match(await problem(elsewhere, readEnvironment({ CMCP_DEV_MODE: '1' })), /must be https/);
});

test('an issuer is enough for somebody to be able to call, and its subjects begin with its host', async () => {
  const environment = readEnvironment({ CMCP_DEV_MODE: '1' });
  await writeFile(file, issuers(LOGIN));
  const config = await loadConfig(file, environment);
  const [issuer] = config.identity.oauth;
  assert.equal(issuer?.subjectPrefix, 'login.example/');
  assert.equal(issuer?.audience, 'https://gateway.example/mcp');
  await writeFile(file, '');
  await assert.rejects(loadConfig(file, environment), { code: 'CREDENTIAL_REQUIRED' });
});

test('agents_hash covers everything that says who may call, and stays what it was where nothing is added', async () => {
  const plain = `agents: [{ subject: a, token_sha256: ${A} }]\n`;
  const { agentsHash } = await read(plain);
  assert.equal(agentsHash, 'sha256:56e226b34cb46c6704b4db45fd252504169f8439e0b953085d95c675d3e6310f');
  const texts = [
    `agents: [{ subject: a, token_sha256: [${A}, ${B}] }]\n`,
    `agents: [{ subject: a, token_sha256: ${A}, expires: 2027-01-01T00:00:00Z }]\n`,
    `agents: [{ subject: a, token_sha256: ${A}, scopes: [x] }]\n`,
    `agents: [{ subject: a, token_sha256: ${A}, groups: [x] }]\n`,
    plain + issuers(LOGIN),
    plain + issuers(`${LOGIN}, dpop: required`),
    plain + issuers(`${LOGIN}, required_scopes: [x]`),
    plain + issuers(`${LOGIN}, algorithms: [ES256]`),
  ];
  const hashes = new Set([agentsHash]);
  for (const text of texts) hashes.add((await read(text)).agentsHash);
  assert.equal(hashes.size, texts.length + 1);
});

test('the egress list has the host of every issuer, or of its keys [AUTHZ-10]', async () => {
  const config = await read(issuers(LOGIN, 'issuer: "https://b.example", jwks_uri: "https://keys.example/b"'));
  const none = { servers: [] } as unknown as Parameters<typeof egressOf>[1];
  const egress = egressOf(config, none);
  assert.equal(egress.refuse('login.example:443'), null);
  assert.equal(egress.refuse('keys.example:443'), null);
  assert.notEqual(egress.refuse('b.example:443'), null);
});
