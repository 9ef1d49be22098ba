import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatedLog } from './support/gated-log.ts';
import { but, codeOf, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { FAMILIES, type Family } from './support/wire.ts';

const CALL = { name: 'work', arguments: {} };
const SERVERS = [
  { family: 'handshake', transport: 'http' },
  { family: 'modern', transport: 'http' },
  { family: 'handshake', transport: 'stdio' },
  { family: 'modern', transport: 'stdio' },
] as const;

const talking = (peer: PeerServer): void => {
  peer.on('tools/call', ({ progress, log, params }) => {
    const meta = params._meta as { progressToken?: unknown } | undefined;
    if (meta?.progressToken !== undefined) {
      progress(1, 'CANARY-one');
      progress(2, 'CANARY-two');
    }
    log('warning', 'CANARY-log');
    log('debug', 'CANARY-detail');
    return { content: [] };
  });
};

const noisy = (server: (typeof SERVERS)[number], changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { ...server, script: talking } },
  tools: { work: { sensitivity: 'pii', effects: 'read' } },
  ...changes,
});

const wanted = (family: Family) =>
  family === 'modern' ? { progressToken: 'p', 'io.modelcontextprotocol/logLevel': 'warning' } : { progressToken: 'p' };

for (const agentFamily of FAMILIES) {
  for (const server of SERVERS) {
    test(`progress and logs reach who asked for them, before the answer, and are counted: ${agentFamily} agent, ${server.family} server over ${server.transport} [MCP26-31]`, () =>
      withPeers(noisy(server), async (bed) => {
        const agent = await bed.agent(agentFamily);
        if (agentFamily === 'handshake') await agent.request('logging/setLevel', { level: 'warning' });
        const reply = await agent.request('tools/call', CALL, wanted(agentFamily));
        const heard = agent.heard.items.map(({ method, params }) => [method, params.message ?? params.data]);
        assert.deepEqual(heard, [
          ['notifications/progress', 'CANARY-one'],
          ['notifications/progress', 'CANARY-two'],
          ['notifications/message', 'CANARY-log'],
        ]);
        for (const { method, params } of agent.heard.items) {
          if (method === 'notifications/progress') assert.equal(params.progressToken, 'p');
        }
        const { session_id } = receiptOf(reply);
        await bed.endSession(agent, session_id);
        const [entry, ...more] = await bed.entries(session_id, 'CANARY');
        assert.deepEqual(more, []);
        assert.equal(entry?.detail?.notices_relayed, 3);
        assert.equal(entry?.detail?.notices_withheld, undefined);
      }));
  }

  test(`who asks for nothing hears nothing: ${agentFamily} agent [MCP26-31]`, () =>
    withPeers(noisy(SERVERS[0]), async (bed) => {
      const agent = await bed.agent(agentFamily);
      if (agentFamily === 'handshake') await agent.request('logging/setLevel', { level: 'emergency' });
      const reply = await agent.request('tools/call', CALL);
      assert.deepEqual(agent.heard.items, []);
      const { session_id } = receiptOf(reply);
      await bed.endSession(agent, session_id);
      assert.equal((await bed.entries(session_id, 'CANARY'))[0]?.detail?.notices_relayed, undefined);
    }));

  test(`notices that policy would not release as an answer are withheld and counted: ${agentFamily} agent`, () =>
    withPeers(
      noisy(SERVERS[0], {
        policies: but(`@id("short-only") forbid (principal, action in Action::"call_tool", resource)
when { context has response && context.response.size == 10 };`),
      }),
      async (bed) => {
        const agent = await bed.agent(agentFamily);
        const reply = await agent.request('tools/call', CALL, wanted(agentFamily));
        assert.equal(agent.bodies.join().includes('CANARY-one'), false);
        assert.equal(agent.bodies.join().includes('CANARY-log'), true);
        const { session_id } = receiptOf(reply);
        await bed.endSession(agent, session_id);
        const [entry] = await bed.entries(session_id, 'CANARY');
        assert.equal(entry?.detail?.notices_withheld, 2);
      },
    ));
}

for (const durability of ['strict', 'batched']) {
  test(`nothing is shown of a call before it is on record what that reveals, also for a tool that only reads: ${durability}`, async () => {
    const log = new GatedLog();
    const shown = Promise.withResolvers<void>();
    const setup = noisy(SERVERS[0], { config: `audit: { durability: ${durability} }`, deps: { openLog: log.openLog } });
    setup.servers = {
      main: {
        script: (peer) => {
          peer.on('tools/call', async ({ progress }) => {
            progress(1, 'CANARY-one');
            await shown.promise;
            return { content: [] };
          });
        },
      },
    };
    await withPeers(setup, async (bed) => {
      const agent = await bed.agent('handshake');
      const held = log.hold('intent');
      const reply = agent.request('tools/call', CALL, { progressToken: 'p' });
      await held.reached;
      assert.deepEqual(agent.heard.items, []);
      held.letGo();
      await agent.heard.first();
      shown.resolve();
      assert.ok((await reply).result);
    });
  });
}

test('a log that cannot record keeps what was to be shown, and the answer with it', async () => {
  const log = new GatedLog();
  await withPeers(noisy(SERVERS[0], { deps: { openLog: log.openLog } }), async (bed) => {
    const agent = await bed.agent('handshake');
    log.failNext('intent', new Error('the disk is full'));
    const reply = await agent.request('tools/call', CALL, { progressToken: 'p' });
    assert.equal(agent.bodies.join().includes('CANARY'), false);
    assert.equal(codeOf(reply), 'INTERNAL_ERROR');
  });
});

test('what was shown before a crash of the call counts as seen', () =>
  withPeers(
    {
      ...noisy(SERVERS[0]),
      servers: {
        main: {
          script: (peer) => {
            peer.on('tools/call', async ({ progress }) => {
              progress(1, 'CANARY-one');
              return Promise.reject(new Error('broken'));
            });
          },
        },
      },
    },
    async (bed) => {
      const agent = await bed.agent('handshake');
      const reply = await agent.request('tools/call', CALL, { progressToken: 'p' });
      const { session_id } = receiptOf(reply);
      await bed.endSession(agent, session_id);
      const [entry] = await bed.entries(session_id, 'CANARY');
      assert.equal(entry?.session_sensitivity_after, 'pii');
    },
  ));
