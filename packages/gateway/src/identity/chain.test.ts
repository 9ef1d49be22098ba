import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentWith, modern, raw, send, serve } from '../../../../tests/support/ingress.ts';
import type { Caller } from '../caller.ts';
import { systemClock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { bearerSource } from './bearer.ts';
import type { IdentitySource, Refused } from './types.ts';

const PING = { jsonrpc: '2.0', id: 1, method: 'ping' };
const BEARER = bearerSource({ now: [agentWith('alice', 'token-of-alice')] }, systemClock);
const INSUFFICIENT = 'Scripted realm="cmcp", Bearer realm="cmcp", error="insufficient_scope"';
const PLAIN = { credential: null };

/** Says who the header `X-Caller` names, as a certificate would. */
function scripted(whoIs: (name: string) => Caller | null): IdentitySource & { told: [string, Refused][] } {
  const told: [string, Refused][] = [];
  return {
    told,
    identify: async ({ headers }) => {
      const [name] = headers('x-caller');
      return name === undefined ? null : whoIs(name);
    },
    challenge: (code, refused) => {
      told.push([code, refused]);
      return 'Scripted realm="cmcp"';
    },
  };
}

const byName = (): ReturnType<typeof scripted> =>
  scripted((name) => (name === 'nobody' ? null : { subject: name, source: 'svid' }));

test('each kind of credential is asked in order, and the first that knows the caller says who it is [AUTHZ-03]', async (t) => {
  const { port } = await serve(t, { agents: [byName(), BEARER] });
  const statusOf = async (sent: Parameters<typeof send>[1]): Promise<number> =>
    (await send(port, { body: PING, ...sent })).status;
  assert.equal(await statusOf({ ...PLAIN, headers: { 'X-Caller': 'spiffe' } }), 200);
  assert.equal(await statusOf({}), 200);
  assert.equal(await statusOf({ headers: { 'X-Caller': 'alice' } }), 200, 'both name the same');
  assert.equal(await statusOf({ ...PLAIN, headers: { 'X-Caller': 'nobody' } }), 401);
});

test('a request that shows two callers, or one and a token of nobody, is refused [AUTHZ-03] [AUTHZ-11]', async (t) => {
  const { port } = await serve(t, { agents: [byName(), BEARER] });
  const other = { 'X-Caller': 'bob' };
  assert.equal((await send(port, { body: PING, headers: other })).status, 401, 'alice by token, bob by the other');
  assert.equal((await send(port, { body: PING, headers: other, credential: 'Bearer nobody' })).status, 401);
  const twice = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Caller: alice\r\nAuthorization: Bearer token-of-alice\r\nAuthorization: Bearer token-of-alice\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
  assert.match(await raw(port, twice), /^HTTP\/1\.1 401 /);
});

test('a refusal says of every kind how it would be accepted, and whether something was shown [AUTHZ-02]', async (t) => {
  const first = byName();
  const { port } = await serve(t, { agents: [first, BEARER] });
  const bare = await send(port, { body: PING, ...PLAIN });
  assert.equal(bare.headers['www-authenticate'], 'Scripted realm="cmcp", Bearer realm="cmcp"');
  await send(port, { body: PING, credential: 'Bearer x' });
  assert.deepEqual(first.told, [
    ['UNAUTHENTICATED', { shown: false, scopes: null }],
    ['UNAUTHENTICATED', { shown: true, scopes: null }],
  ]);
});

test('of two kinds that are shown alike, the refusal tells the one that says how to get a credential [AUTHZ-02]', async (t) => {
  const saying = (challenge: string): IdentitySource => ({ identify: async () => null, challenge: () => challenge });
  const metadata = 'Bearer resource_metadata="https://gateway.example/.well-known/oauth-protected-resource/mcp"';
  const { port } = await serve(t, { agents: [saying('Bearer realm="spiffe"'), saying(metadata), BEARER] });
  assert.equal((await send(port, { body: PING, ...PLAIN })).headers['www-authenticate'], metadata);
});

test('a source that cannot say who it is, or finds too narrow a credential, refuses with its own status [AUTHZ-02]', async (t) => {
  const refusing = scripted((name) => {
    throw new GatewayError(name === 'late' ? 'IDENTITY_UNAVAILABLE' : 'INSUFFICIENT_SCOPE', 'told to operators');
  });
  const { port } = await serve(t, { agents: [refusing, BEARER] });
  const late = await send(port, { body: PING, headers: { 'X-Caller': 'late' } });
  assert.deepEqual([late.status, late.headers['www-authenticate']], [503, undefined]);
  const narrow = await send(port, { body: PING, headers: { 'X-Caller': 'narrow' } });
  assert.deepEqual([narrow.status, narrow.headers['www-authenticate']], [403, INSUFFICIENT]);
  assert.ok(!narrow.text.includes('operators'));
});

test('a call that its scopes do not cover is challenged with those that would [AUTHZ-02]', async (t) => {
  const source = byName();
  const { port, gateway } = await serve(t, { agents: [source, BEARER] });
  gateway.onCall = async () => ({
    kind: 'error',
    code: 'INSUFFICIENT_SCOPE',
    message: 'no',
    data: { error_code: 'INSUFFICIENT_SCOPE', scope: 'mcp:tools mcp:tools:read' },
  });
  const answer = await send(port, modern('tools/call', { name: 'echo', arguments: {} }));
  assert.deepEqual(
    [answer.status, answer.headers['www-authenticate']],
    [403, `${INSUFFICIENT}, scope="mcp:tools mcp:tools:read"`],
  );
  assert.deepEqual(source.told, [['INSUFFICIENT_SCOPE', { shown: true, scopes: ['mcp:tools', 'mcp:tools:read'] }]]);
});
