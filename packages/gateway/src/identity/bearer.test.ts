import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentWith, modern, send, serve } from '../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { bearerSource } from './bearer.ts';

const PING = { body: { jsonrpc: '2.0', id: 1, method: 'ping' } };

test('while tokens change both are good, and each is refused from its end on [AUTHZ-03]', async (t) => {
  const time = new ManualTime();
  const [old, next] = [agentWith('alice', 'old'), agentWith('alice', 'new')];
  const both = {
    ...old,
    tokenSha256: [...old.tokenSha256, ...next.tokenSha256],
    expiresMicros: time.nowMicros() + 1e6,
  };
  const { port } = await serve(t, { clock: time, agents: [bearerSource({ now: [both] }, time)] });
  const statusOf = async (token: string): Promise<number> =>
    (await send(port, { ...PING, credential: `Bearer ${token}` })).status;
  assert.deepEqual([await statusOf('old'), await statusOf('new'), await statusOf('x')], [200, 200, 401]);
  time.advance(1_000);
  assert.deepEqual([await statusOf('old'), await statusOf('new')], [401, 401]);
});

test('what a token was issued for goes with its caller; what it says nothing of is left out [AUTHZ-07]', async (t) => {
  const time = new ManualTime();
  const scoped = { ...agentWith('alice', 'one'), scopes: ['mcp:tools:read'], groups: ['desk'], expiresMicros: 2e15 };
  const sources = [bearerSource({ now: [scoped, agentWith('bob', 'two')] }, time)];
  const { port, gateway } = await serve(t, { clock: time, agents: sources });
  for (const token of ['one', 'two']) {
    const sent = modern('tools/call', { name: 'echo', arguments: {} });
    await send(port, { ...sent, credential: `Bearer ${token}` });
  }
  assert.deepEqual(
    gateway.calls.map(({ caller }) => caller),
    [
      { subject: 'alice', source: 'bearer', scopes: ['mcp:tools:read'], groups: ['desk'], expiresMicros: 2e15 },
      { subject: 'bob', source: 'bearer' },
    ],
  );
});
