import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE } from './support/agent.ts';
import { asking, FORM, MAY_ASK, told } from './support/asks.ts';
import { codeOf, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { FAMILIES, type Family } from './support/wire.ts';

const script = (peer: PeerServer): void => {
  asking({ form: FORM })(peer);
  peer.on('resources/read', ({ params }) => ({ contents: [{ uri: params.uri, text: 'read' }] }));
  peer.on('prompts/get', () => ({
    messages: [{ role: 'user', content: { type: 'resource_link', uri: 'note:///guide', name: 'guide' } }],
  }));
  peer.on('completion/complete', ({ progress, params }) => {
    if ((params._meta as { progressToken?: unknown } | undefined)?.progressToken !== undefined) progress(1, 'said');
    return { completion: { values: [] } };
  });
};

const advisory = (family: Family) => ({
  servers: { main: { family, asks: MAY_ASK, script } },
  tools: { form: {} },
  resources: { guide: { uri: 'note:///guide' } },
  prompts: { explain: {} },
  policies: { 'none.cedar': '@id("nothing") forbid (principal, action, resource);' },
  config: 'mode: advisory',
});

for (const agentFamily of FAMILIES) {
  for (const server of FAMILIES) {
    test(`in advisory mode everything that would be denied is let through, and says so, ask, notice and link included: ${agentFamily} agent, ${server} server`, () =>
      withPeers(advisory(server), async (bed) => {
        const agent = await bed.agent(agentFamily, { capabilities: ABLE, answer: () => FORM.answer });
        await agent.listen({ resourceSubscriptions: ['note:///guide'] });
        if (agentFamily === 'handshake')
          assert.ok((await agent.request('resources/subscribe', { uri: 'note:///guide' })).result);
        const read = await agent.request('resources/read', { uri: 'note:///guide' });
        assert.equal(receiptOf(read).would_have_denied, true);
        const got = await agent.request('prompts/get', { name: 'explain' });
        assert.equal(JSON.stringify(got.result).includes('note:///guide'), true);
        const argument = { name: 'topic', value: '' };
        const ref = { type: 'ref/prompt', name: 'explain' };
        assert.ok((await agent.request('completion/complete', { ref, argument }, { progressToken: 1 })).result);
        assert.equal(agent.heard.items.filter(({ method }) => method === 'notifications/progress').length, 1);
        const call = await agent.complete('tools/call', { name: 'form', arguments: {} });
        assert.deepEqual(told(call).q?.result, FORM.answer);
        const { session_id } = receiptOf(call);
        await bed.endSession(agent, session_id);
        const entries = await bed.entries(session_id, 'CANARY');
        const twice = agentFamily === 'modern' && server === 'modern' ? 2 : 1;
        assert.deepEqual(
          entries.map(({ action }) => action),
          [
            'subscribe',
            'read_resource',
            'get_prompt',
            'complete',
            ...Array.from({ length: twice }, () => ['elicit', 'call_tool']).flat(),
          ],
        );
        for (const entry of entries) {
          assert.equal(entry.policy_decision, 'advisory_deny', String(entry.action));
          assert.deepEqual(entry.policy_ids, ['nothing']);
        }
      }));
  }
}

test('advisory mode lets nothing through that is not approved', () =>
  withPeers(advisory('handshake'), async (bed) => {
    const agent = await bed.agent('modern', { capabilities: ABLE });
    assert.equal(codeOf(await agent.request('resources/read', { uri: 'note:///x' })), 'RESOURCE_NOT_IN_CATALOG');
    assert.equal(codeOf(await agent.request('prompts/get', { name: 'x' })), 'PROMPT_NOT_IN_CATALOG');
    bed.peer.on('prompts/get', () => ({
      messages: [{ role: 'user', content: { type: 'resource_link', uri: 'note:///x', name: 'x' } }],
    }));
    const { result } = await agent.request('prompts/get', { name: 'explain' });
    assert.equal(JSON.stringify(result).includes('note:///x'), false);
  }));
