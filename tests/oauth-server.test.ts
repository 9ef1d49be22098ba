/** With a real authorization server, and with the official client, which finds its way by what the gateway says alone. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, ClientCredentialsProvider, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type AuthorizationServer, CLIENT, startAuthorizationServer } from './support/authorization-server.ts';
import { callMeta } from './support/calls.ts';
import { ALLOW_ALL, TestBed } from './support/gateway.ts';
import { modern, send } from './support/ingress.ts';
import { findNginx, type Nginx, startNginx } from './support/nginx.ts';
import { callEntries } from './support/session-files.ts';
import { dpopProof, issuerKey } from './support/token-issuer.ts';

const program = findNginx();
const skip = program === null ? 'nginx is not installed' : false;

let authority: AuthorizationServer;
let bed: TestBed;
let nginx: Nginx | null = null;
let port = 0;
/** The gateway as clients know it: a part of the site of a proxy. */
let resource = '';
let gateway: Awaited<ReturnType<TestBed['start']>>;

before(async () => {
  authority = await startAuthorizationServer();
  const site = { port: await freePort(), prefix: '/tools' };
  resource = `http://127.0.0.1:${site.port}/tools/mcp`;
  const issuer = `{ issuer: "${authority.issuer}", subject_prefix: "as/" }`;
  bed = await TestBed.create({
    tools: [
      { name: 'look', catalog: { effects: 'read' } },
      { name: 'echo', inputSchema: { type: 'object', properties: { message: { type: 'string' } } } },
    ],
    policies: ALLOW_ALL,
    config: [
      `allowed_hosts: ["127.0.0.1:${site.port}"]`,
      `identity: { resource: "${resource}", oauth: [${issuer}] }`,
      'agents: []',
    ].join('\n'),
  });
  gateway = await bed.start();
  port = Number(gateway.url.port);
  if (program !== null) nginx = await startNginx(program, port, site);
});

after(async () => {
  await nginx?.stop();
  await bed.close();
  await authority.close();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function textOfFolder(folder: string): Promise<string> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found
    .filter((each) => each.isFile())
    .map((each) => readFile(join(each.parentPath, each.name), 'latin1'));
  return (await Promise.all(files)).join('\n');
}

const statusOf = async (credential: string, headers: Record<string, string> = {}): Promise<number> => {
  const { body, headers: own } = modern('tools/call', { name: 'echo', arguments: {} });
  return (await send(port, { body: body ?? null, credential, headers: { ...own, ...headers } })).status;
};

test('the official client, told only the URL, finds the authorization server behind a proxy, gets a token and calls; the token goes no further and is kept nowhere [AUTHZ-01] [AUTHZ-02] [AUTHZ-05]', {
  skip,
}, async () => {
  const authProvider = new ClientCredentialsProvider({
    clientId: CLIENT.id,
    clientSecret: CLIENT.secret,
    expectedIssuer: authority.issuer,
  });
  const client = new Client({ name: 'agent', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider });
  await client.connect(transport);
  const result = await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
  assert.equal(result.isError ?? false, false);
  const token = authProvider.tokens()?.access_token ?? assert.fail('the client has no token');
  const { session_id } = callMeta(result);
  await transport.terminateSession();
  await client.close();
  const [entry] = await callEntries(gateway.started, session_id);
  assert.deepEqual([entry?.caller, entry?.caller_source], [`as/${CLIENT.id}`, 'oauth']);

  const { sessions } = (await bed.operator('GET', '/operator/v1/sessions')).body;
  const kept = JSON.stringify([bed.server.headers, bed.server.calls, bed.reports, entry, sessions]);
  const files = await textOfFolder(bed.dataDir);
  for (const part of token.split('.').slice(1)) {
    assert.ok(!kept.includes(part), 'sent on or told');
    assert.ok(!files.includes(part), 'stored');
  }
});

test('a token for another resource, without the scope, or of a server that signs alike is refused [AUTHZ-03]', async () => {
  const good = await authority.token(resource, 'mcp:tools');
  assert.equal(await statusOf(`Bearer ${good.access_token}`), 200);
  const elsewhere = await authority.token('http://127.0.0.1:1/mcp', 'mcp:tools');
  assert.equal(await statusOf(`Bearer ${elsewhere.access_token}`), 401);
  const narrow = await authority.token(resource, 'mcp:tools:read');
  assert.equal(await statusOf(`Bearer ${narrow.access_token}`), 403);
  const twin = await startAuthorizationServer();
  const foreign = await twin.token(resource, 'mcp:tools');
  assert.equal(await statusOf(`Bearer ${foreign.access_token}`), 401);
  await twin.close();
});

test('a token that the server bound to a key is good with a proof of it, once, and with nothing else [AISVS-10.3.5]', async () => {
  const now = (): number => Math.floor(Date.now() / 1000);
  const key = await issuerKey('client');
  const asking = await dpopProof(key, '', `${authority.issuer}/token`, now());
  const { access_token: token, token_type } = await authority.token(resource, 'mcp:tools', asking);
  assert.equal(token_type, 'DPoP');
  const proof = await dpopProof(key, token, resource, now());
  assert.equal(await statusOf(`DPoP ${token}`, { DPoP: proof }), 200);
  assert.equal(await statusOf(`DPoP ${token}`, { DPoP: proof }), 401, 'the same again');
  assert.equal(await statusOf(`Bearer ${token}`), 401, 'as if it were not bound');
  const thief = await dpopProof(await issuerKey('thief'), token, resource, now());
  assert.equal(await statusOf(`DPoP ${token}`, { DPoP: thief }), 401, 'by whoever stole it');
});

test('a token in the query is refused whatever else is shown [AUTHZ-04]', async () => {
  const { access_token: token } = await authority.token(resource, 'mcp:tools');
  const sent = modern('tools/call', { name: 'echo', arguments: {} });
  const path = `/mcp?access_token=${token}`;
  assert.equal((await send(port, { ...sent, path, credential: null })).status, 401);
  assert.equal((await send(port, { ...sent, path, credential: `Bearer ${token}` })).status, 400);
});

test('two scopes see two lists, a call outside is challenged with what would do, and the metadata names what there is [AUTHZ-07]', async () => {
  const tokenWith = async (scope: string): Promise<string> =>
    `Bearer ${(await authority.token(resource, scope)).access_token}`;
  const [wide, narrow] = await Promise.all([tokenWith('mcp:tools'), tokenWith('mcp:tools:read')]);
  const listed = async (credential: string): Promise<string[]> => {
    const { json } = await send(port, { ...modern('tools/list'), credential });
    return (json.result as unknown as { tools: { name: string }[] }).tools.map(({ name }) => name).sort();
  };
  assert.deepEqual([await listed(wide), await listed(narrow)], [['echo', 'look'], ['look']]);
  const called = bed.server.calls.length;
  const refused = await send(port, { ...modern('tools/call', { name: 'echo', arguments: {} }), credential: narrow });
  assert.equal(refused.status, 403);
  assert.match(
    String(refused.headers['www-authenticate']),
    /^Bearer resource_metadata="[^"]+", scope="mcp:tools", error="insufficient_scope"/,
  );
  assert.equal(bed.server.calls.length, called);
  assert.equal(
    (await send(port, { ...modern('tools/call', { name: 'look', arguments: {} }), credential: narrow })).status,
    200,
  );
  const path = '/.well-known/oauth-protected-resource';
  const { json } = await send(port, { method: 'GET', path, credential: null });
  assert.deepEqual(json.scopes_supported, ['mcp:tools', 'mcp:tools:read', 'mcp:resources', 'mcp:prompts']);
});
