import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTime } from './support/manual-time.ts';
import { codeOf, PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { sessionFile } from './support/session-files.ts';
import { WatchedStore } from './support/watched-store.ts';
import { FAMILIES } from './support/wire.ts';

const URI = 'note:///guide';
const setup = (
  durability: string,
  store: WatchedStore,
  script: (peer: PeerServer) => void,
  more: Partial<PeerSetup> = {},
): PeerSetup => ({
  servers: { main: { script } },
  resources: { guide: { uri: URI, sensitivity: 'pii' }, closed: { uri: 'note:///closed' } },
  prompts: { explain: {} },
  policies: {
    'all.cedar': 'permit (principal, action, resource);',
    'closed.cedar': 'forbid (principal, action, resource == McpResource::"closed");',
  },
  config: `audit: { durability: ${durability} }`,
  deps: { openLog: store.openLog },
  ...more,
});

const reading = (timeline: string[]) => (peer: PeerServer) => {
  peer.on('resources/read', ({ params }) => {
    timeline.push('upstream');
    return { contents: [{ uri: params.uri, text: 'CANARY' }] };
  });
};

for (const family of FAMILIES) {
  test(`strict: what reads needs no intent, and its entry is on disk before the reply: ${family} agent [G20]`, () => {
    const store = new WatchedStore([]);
    return withPeers(setup('strict', store, reading(store.timeline)), async (bed) => {
      const agent = await bed.agent(family);
      assert.ok((await agent.request('resources/read', { uri: URI })).result);
      store.timeline.push('reply');
      assert.deepEqual(store.timeline, ['upstream', 'entry durable', 'reply']);
    });
  });

  test(`batched: the intent is on disk before the reply, and the entry follows: ${family} agent [G20]`, () => {
    const store = new WatchedStore([]);
    return withPeers(setup('batched', store, reading(store.timeline)), async (bed) => {
      const agent = await bed.agent(family);
      const letGo = store.hold('entry');
      const reply = await agent.request('resources/read', { uri: URI });
      assert.ok(store.timeline.includes('intent durable'));
      assert.equal(store.timeline.includes('entry durable'), false);
      assert.deepEqual(Object.keys(receiptOf(reply)).sort(), ['call_id', 'session_id']);
      letGo();
    });
  });

  for (const durability of ['strict', 'batched']) {
    test(`${durability}: a denial is on disk before its reply: ${family} agent [G20]`, () => {
      const store = new WatchedStore([]);
      return withPeers(setup(durability, store, reading(store.timeline)), async (bed) => {
        const agent = await bed.agent(family);
        assert.equal(codeOf(await agent.request('resources/read', { uri: 'note:///closed' })), 'POLICY_DENY');
        store.timeline.push('reply');
        assert.deepEqual(store.timeline, ['entry durable', 'reply']);
      });
    });
  }
}

test('after a crash a request whose outcome nobody knows is a fault of its own kind, and its exposure is kept [LIFE-11] [G20]', async () => {
  const store = new WatchedStore([]);
  const time = new ManualTime();
  const silent = (peer: PeerServer): void => {
    peer.on('resources/read', () => new Promise<never>(() => {}));
  };
  const given = setup('batched', store, silent, { deps: { openLog: store.openLog, timers: time } });
  const bed = await PeerBed.create(given);
  try {
    const agent = await bed.agent('handshake');
    const { session_id } = receiptOf(await agent.request('prompts/get', { name: 'none' }));
    agent.start('resources/read', { uri: URI });
    await bed.peer.received.first(({ method }) => method === 'resources/read');
    while (!store.timeline.includes('intent durable')) await new Promise((resolve) => setImmediate(resolve));
    await store.crash();
    const stopping = assert.rejects(bed.gateway.stop(), { code: 'AUDIT_UNAVAILABLE' });
    time.advance(60_000);
    await stopping;
    const { gateway, started } = await bed.bed.start();
    await gateway.stop();
    const { bundle } = await sessionFile(started, session_id);
    const unknown = bundle.entries.find(({ detail }) => detail?.error_code === 'OUTCOME_UNKNOWN');
    assert.deepEqual(
      [unknown?.entry_type, unknown?.action, unknown?.tool_name, unknown?.policy_decision],
      ['mcp_request', 'read_resource', 'guide', 'fault'],
    );
    assert.equal(unknown?.session_sensitivity_after, 'pii');
    assert.equal(JSON.stringify(bundle).includes(URI), false);
  } finally {
    await bed.close().catch((error: unknown) => assert.match(String(error), /AUDIT_UNAVAILABLE/));
  }
});
