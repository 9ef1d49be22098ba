import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from '../packages/gateway/src/caller.ts';
import type { Agent } from './support/agent.ts';
import { anyCaller, tokenOf } from './support/callers.ts';
import { ManualTime } from './support/manual-time.ts';
import { codeOf, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { FAMILIES } from './support/wire.ts';

const GUIDE = 'note:///guide';
const NEWS = 'note:///news';
const UPDATED = 'notifications/resources/updated';

const setup = (time: ManualTime): PeerSetup => ({
  servers: { main: { script: (peer) => peer.on('tools/call', () => ({ content: [] })) } },
  resources: { guide: { uri: GUIDE }, news: { uri: NEWS } },
  tools: { customers: { sensitivity: 'pii', effects: 'read' } },
  policies: {
    'all.cedar': '@id("all") permit (principal, action, resource);',
    'news.cedar':
      '@id("closed") forbid (principal, action == Action::"subscribe", resource == McpResource::"news") when { context.session.class_rank >= 1 };',
  },
  deps: { identity: [anyCaller], clock: time, timers: time },
});

const heard = (agent: Agent, uri: string) =>
  agent.heard.first(({ method, params }) => method === UPDATED && params.uri === uri);

test('what an agent is subscribed to is decided again while it lasts, and ends when it would be refused [LIFE-08]', async () => {
  const time = new ManualTime();
  await withPeers(setup(time), async (bed) => {
    const agent = await bed.agent('handshake');
    await agent.listen();
    for (const uri of [GUIDE, NEWS]) assert.ok((await agent.request('resources/subscribe', { uri })).result);
    // Nothing changed: nobody is asked, nothing is entered, and no server is.
    time.advance(6 * 60_000);
    const { session_id } = receiptOf(await agent.request('tools/call', { name: 'customers', arguments: {} }));
    assert.deepEqual(bed.peer.sent('resources/unsubscribe'), []);
    time.advance(5 * 60_000);
    await heard(agent, NEWS);
    await bed.peer.received.first(({ method, params }) => method === 'resources/unsubscribe' && params?.uri === NEWS);
    await bed.peer.announce(UPDATED, { uri: GUIDE });
    await heard(agent, GUIDE);
    assert.equal(codeOf(await agent.request('resources/subscribe', { uri: NEWS })), 'POLICY_DENY');
    await bed.endSession(agent, session_id);
    const said = (await bed.entries(session_id)).map(({ action, tool_name, policy_decision, policy_rule_matched }) =>
      [action, tool_name, policy_decision, policy_rule_matched].join(' '),
    );
    assert.deepEqual(said, [
      'subscribe guide allow all',
      'subscribe news allow all',
      'call_tool customers allow all',
      'subscribe news deny closed',
      'subscribe news deny closed',
    ]);
  });
});

for (const family of FAMILIES) {
  test(`what is held open with a credential ends with it: ${family}`, async () => {
    const time = new ManualTime();
    await withPeers(setup(time), async (bed) => {
      const until: Caller = { subject: 'agent', source: 'oauth', expiresMicros: time.nowMicros() + 60_000_000 };
      const agent = await bed.agent(family, { token: tokenOf(until) });
      const longer = await bed.agent(family, {
        token: tokenOf({ ...until, subject: 'other', expiresMicros: Number.MAX_SAFE_INTEGER }),
      });
      const { over } = family === 'modern' ? { over: listening(agent) } : await streaming(bed.url, agent);
      if (family === 'handshake') {
        assert.ok((await agent.request('resources/subscribe', { uri: GUIDE })).result);
        await longer.listen();
        assert.ok((await longer.request('resources/subscribe', { uri: NEWS })).result);
      } else await longer.listen({ resourceSubscriptions: [NEWS] });
      await bed.peer.received.first(({ method, params }) => method === 'resources/subscribe' && params?.uri === GUIDE);
      time.advance(61_000);
      await over;
      await bed.peer.received.first(
        ({ method, params }) => method === 'resources/unsubscribe' && params?.uri === GUIDE,
      );
      await bed.peer.announce(UPDATED, { uri: NEWS });
      await heard(longer, NEWS);
    });
  });
}

/** Resolves when the gateway ends what the agent listens to. */
async function listening(agent: Agent): Promise<void> {
  const { result } = await agent.request('subscriptions/listen', { notifications: { resourceSubscriptions: [GUIDE] } });
  assert.equal(result?.resultType, 'complete');
}

/** Resolves with what resolves when the gateway ends the session's stream. */
async function streaming(url: URL, agent: Agent): Promise<{ over: Promise<string> }> {
  const headers = { authorization: `Bearer ${agent.token}`, accept: 'text/event-stream' };
  const response = await fetch(url, { headers: { ...headers, 'mcp-session-id': String(agent.session) } });
  assert.equal(response.status, 200);
  return { over: response.text() };
}
