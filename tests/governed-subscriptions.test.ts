import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Agent } from './support/agent.ts';
import { GatedLog } from './support/gated-log.ts';
import { OTHER_TOKEN } from './support/gateway.ts';
import { but, codeOf, PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { FAMILIES, type Family } from './support/wire.ts';

const GUIDE = 'note:///guide';
const UPDATED = 'notifications/resources/updated';

const setup = (server: Family = 'handshake', changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: server } },
  resources: { guide: { uri: GUIDE }, secret: { uri: 'note:///secret' }, note: { template: 'note:///by-id/{id}' } },
  policies: {
    'all.cedar': '@id("all") permit (principal, action, resource);',
    'secret.cedar':
      '@id("not-secret") forbid (principal, action == Action::"subscribe", resource == McpResource::"secret");',
  },
  ...changes,
});

/** Subscribes as the family does; the URIs that are honoured. */
async function subscribed(agent: Agent, uris: string[]): Promise<unknown> {
  if (agent.family === 'modern') {
    const { notifications } = await agent.listen({ resourceSubscriptions: uris });
    return (notifications as { resourceSubscriptions?: string[] }).resourceSubscriptions ?? [];
  }
  await agent.listen();
  const honoured: string[] = [];
  for (const uri of uris) {
    const reply = await agent.request('resources/subscribe', { uri });
    if (reply.result !== undefined) honoured.push(uri);
  }
  return honoured;
}

/** The session that an agent's requests are entered in. */
async function sessionOf(bed: PeerBed, agent: Agent): Promise<string> {
  const reply = await agent.request('resources/read', { uri: GUIDE });
  assert.ok(bed.peer);
  return receiptOf(reply).session_id;
}

for (const agentFamily of FAMILIES) {
  for (const server of FAMILIES) {
    test(`each resource is decided by itself, and only subscribers hear of it: ${agentFamily} agent, ${server} server [MCP26-30]`, () =>
      withPeers(setup(server), async (bed) => {
        const agent = await bed.agent(agentFamily);
        const other = await bed.agent(agentFamily, { token: OTHER_TOKEN });
        const session = await sessionOf(bed, agent);
        const uris = [GUIDE, 'note:///secret', 'note:///by-id/7', 'file:///etc/passwd', 'note:///by-id/../guide'];
        assert.deepEqual(await subscribed(agent, uris), [GUIDE, 'note:///by-id/7']);
        assert.deepEqual(await subscribed(other, ['note:///by-id/7']), ['note:///by-id/7']);
        await bed.peer.announce(UPDATED, { uri: GUIDE });
        await bed.peer.announce(UPDATED, { uri: 'note:///by-id/7' });
        const heardOf = (uri: string) => (item: { method: string; params: { uri?: unknown } }) =>
          item.method === UPDATED && item.params.uri === uri;
        await agent.heard.first(heardOf(GUIDE));
        await agent.heard.first(heardOf('note:///by-id/7'));
        await other.heard.first(heardOf('note:///by-id/7'));
        assert.deepEqual(other.heard.items.filter(heardOf(GUIDE)), []);
        await bed.endSession(agent, session);
        const entries = await bed.entries(session);
        assert.deepEqual(
          entries.slice(1).map((entry) => [entry.entry_type, entry.action, entry.tool_name, entry.policy_rule_matched]),
          [
            ['mcp_request', 'subscribe', 'guide', 'all'],
            ['mcp_request', 'subscribe', 'secret', 'not-secret'],
            ['mcp_request', 'subscribe', 'note', 'all'],
            ['mcp_request', 'subscribe', 'file:///etc/passwd', 'resource_not_in_catalog'],
            ['mcp_request', 'subscribe', 'note:///by-id/../guide', 'resource_not_in_catalog'],
          ],
        );
      }));
  }
}

test('a refused subscription says why, and reaches no server', () =>
  withPeers(setup(), async (bed) => {
    const agent = await bed.agent('handshake');
    assert.equal(codeOf(await agent.request('resources/subscribe', { uri: 'note:///secret' })), 'POLICY_DENY');
    const unknown = await agent.request('resources/subscribe', { uri: 'note:///x' });
    assert.deepEqual([codeOf(unknown), unknown.error?.code], ['RESOURCE_NOT_IN_CATALOG', -32002]);
    assert.deepEqual(bed.peer.sent('resources/subscribe'), []);
  }));

test('a server without subscriptions: the request is refused and entered, nothing is pretended', () =>
  withPeers(
    setup('handshake', {
      servers: { main: { script: (peer) => Object.assign(peer.capabilities, { resources: {} }) } },
    }),
    async (bed) => {
      const agent = await bed.agent('handshake');
      const reply = await agent.request('resources/subscribe', { uri: GUIDE });
      assert.equal(codeOf(reply), 'METHOD_NOT_GOVERNED');
      const { session_id } = receiptOf(reply);
      await bed.endSession(agent, session_id);
      assert.equal((await bed.entries(session_id))[0]?.policy_decision, 'deny');
    },
  ));

test('who unsubscribes hears no more, and the server is told once nobody listens', () =>
  withPeers(setup(), async (bed) => {
    const agent = await bed.agent('handshake');
    await subscribed(agent, [GUIDE, 'note:///by-id/7']);
    assert.ok((await agent.request('resources/unsubscribe', { uri: GUIDE })).result);
    await bed.peer.received.first(({ method }) => method === 'resources/unsubscribe');
    await bed.peer.announce(UPDATED, { uri: GUIDE });
    await bed.peer.announce(UPDATED, { uri: 'note:///by-id/7' });
    await agent.heard.first(({ params }) => params.uri === 'note:///by-id/7');
    assert.deepEqual(
      agent.heard.items.filter(({ params }) => params.uri === GUIDE),
      [],
    );
  }));

test('more than can be asked for at once is refused as a whole', () =>
  withPeers(setup(), async (bed) => {
    const agent = await bed.agent('modern');
    const uris = Array.from({ length: 257 }, (_, n) => `note:///by-id/${n}`);
    const reply = await agent.request('subscriptions/listen', { notifications: { resourceSubscriptions: uris } });
    assert.equal(codeOf(reply), 'INVALID_PARAMS');
    assert.deepEqual(bed.peer.sent('resources/subscribe'), []);
  }));

for (const agentFamily of FAMILIES) {
  test(`a subscription outlives an activation, and one that is no longer allowed says so by a change: ${agentFamily} agent [LIFE-08]`, () =>
    withPeers(setup('handshake'), async (bed) => {
      const agent = await bed.agent(agentFamily);
      assert.deepEqual(await subscribed(agent, [GUIDE, 'note:///by-id/7']), [GUIDE, 'note:///by-id/7']);
      const updates = (uri: string) =>
        agent.heard.items.filter((item) => item.method === UPDATED && item.params.uri === uri);
      await bed.approve(
        setup('handshake', {
          policies: {
            'all.cedar': '@id("all") permit (principal, action, resource);',
            'note.cedar':
              '@id("no-note") forbid (principal, action == Action::"subscribe", resource == McpResource::"note");',
          },
        }),
      );
      await bed.gateway.reload();
      await agent.heard.first((item) => item.method === UPDATED && item.params.uri === 'note:///by-id/7');
      await bed.peer.announce(UPDATED, { uri: 'note:///by-id/7' });
      await bed.peer.announce(UPDATED, { uri: GUIDE });
      await agent.heard.first((item) => item.method === UPDATED && item.params.uri === GUIDE);
      assert.equal(updates('note:///by-id/7').length, 1);
    }));
}

test('what is asked for twice at once is decided once, and subscribing shows nothing, so it raises nothing', () =>
  withPeers(
    setup('handshake', {
      servers: { main: { script: (peer) => peer.on('tools/call', () => ({ content: [] })) } },
      resources: { guide: { uri: GUIDE, sensitivity: 'pii' } },
      tools: { publish: {} },
      policies: but(
        'forbid (principal, action in Action::"call_tool", resource) when { context.session.max_class_rank >= 1 };',
      ),
    }),
    async (bed) => {
      const agent = await bed.agent('modern');
      assert.deepEqual(await subscribed(agent, [GUIDE, GUIDE]), [GUIDE]);
      const reply = await agent.request('tools/call', { name: 'publish', arguments: {} });
      assert.ok(reply.result);
      const { session_id } = receiptOf(reply);
      await bed.endSession(agent, session_id);
      assert.deepEqual(
        (await bed.entries(session_id)).map(({ action }) => action),
        ['subscribe', 'call_tool'],
      );
    },
  ));

test('a subscription that cannot be recorded is taken back from the server', async () => {
  const log = new GatedLog();
  const bed = await PeerBed.create(setup('handshake', { deps: { openLog: log.openLog } }));
  try {
    const agent = await bed.agent('handshake');
    log.failNext('append', new Error('the disk is full'));
    assert.ok((await agent.request('resources/subscribe', { uri: GUIDE })).error);
    await bed.peer.received.first(({ method }) => method === 'resources/unsubscribe');
  } finally {
    await bed.close();
  }
});
