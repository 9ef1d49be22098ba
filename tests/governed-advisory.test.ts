import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE } from './support/agent.ts';
import { asking, FORM, MAY_ASK, told } from './support/asks.ts';
import { codeOf, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { sessionFile } from './support/session-files.ts';
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

/** The modes in which nothing is refused that policy denies. */
const LOOSE = ['advisory', 'silent'] as const;

const loose = (family: Family, mode: (typeof LOOSE)[number] = 'advisory') => ({
  servers: { main: { family, asks: MAY_ASK, script } },
  tools: { form: {} },
  resources: { guide: { uri: 'note:///guide' } },
  prompts: { explain: {} },
  policies: { 'none.cedar': '@id("nothing") forbid (principal, action, resource);' },
  config: `mode: ${mode}`,
});

const RUNS = LOOSE.flatMap((mode) =>
  FAMILIES.flatMap((agent) => FAMILIES.map((server) => ({ mode, agent, server }) as const)),
);

for (const { mode, agent: agentFamily, server } of RUNS) {
  const manner = mode === 'silent' ? 'without a word but in the record' : 'and says so';
  test(`in ${mode} mode everything that would be denied is let through, ${manner}, ask, notice and link included: ${agentFamily} agent, ${server} server [G19] [C-25]`, () =>
    withPeers(loose(server, mode), async (bed) => {
      const agent = await bed.agent(agentFamily, { capabilities: ABLE, answer: () => FORM.answer });
      await agent.listen({ resourceSubscriptions: ['note:///guide'] });
      if (agentFamily === 'handshake')
        assert.ok((await agent.request('resources/subscribe', { uri: 'note:///guide' })).result);
      const read = await agent.request('resources/read', { uri: 'note:///guide' });
      assert.equal(receiptOf(read).would_have_denied, mode === 'silent' ? undefined : true);
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
      const reported = bed.bed.reports.filter((line) => line.startsWith('call.'));
      if (mode === 'silent') assert.deepEqual(reported, []);
      else assert.match(reported[0] ?? '', /^call\.would_deny call [0-9a-f-]{36}: deny at ingress by nothing$/);
    }));
}

for (const mode of LOOSE)
  test(`${mode} mode lets nothing through that is not approved`, () =>
    withPeers(loose('handshake', mode), async (bed) => {
      const agent = await bed.agent('modern', { capabilities: ABLE });
      assert.equal(codeOf(await agent.request('resources/read', { uri: 'note:///x' })), 'RESOURCE_NOT_IN_CATALOG');
      assert.equal(codeOf(await agent.request('prompts/get', { name: 'x' })), 'PROMPT_NOT_IN_CATALOG');
      bed.peer.on('prompts/get', () => ({
        messages: [{ role: 'user', content: { type: 'resource_link', uri: 'note:///x', name: 'x' } }],
      }));
      const { result } = await agent.request('prompts/get', { name: 'explain' });
      assert.equal(JSON.stringify(result).includes('note:///x'), false);
      const told = bed.bed.reports.some((line) => line.startsWith('RESOURCE_NOT_IN_CATALOG'));
      assert.equal(told, mode === 'advisory');
    }));

/** What differs from one run to the next, whatever the mode: ids, times, ports and the digests over them. */
const OF_THE_RUN =
  /"[0-9a-f]{8}-[0-9a-f-]{27}"|"\d{4}-\d\d-\d\dT[^"]*"|(?:sha256:)?[0-9a-f]{64}|127\.0\.0\.1:\d+|"latency_us":\d+/g;

test('the record of silent mode is that of advisory mode but for the word [G19] [C-25]', async () => {
  const record = async (mode: (typeof LOOSE)[number]): Promise<string> => {
    let text = '';
    await withPeers(loose('handshake', mode), async (bed) => {
      const agent = await bed.agent('handshake', { capabilities: ABLE, answer: () => FORM.answer });
      await agent.complete('tools/call', { name: 'form', arguments: {} });
      await agent.request('resources/read', { uri: 'note:///x' });
      const { session_id } = receiptOf(await agent.request('resources/read', { uri: 'note:///guide' }));
      await bed.endSession(agent, session_id);
      const { bundle, claim } = await sessionFile(bed.started, session_id);
      const { call_summary } = claim.gateway;
      text = JSON.stringify([bundle.entries, call_summary, claim.trace.policy, claim.trace.tool_transcript]);
    });
    return text.replaceAll(OF_THE_RUN, '…');
  };
  const [advisory, silent] = [await record('advisory'), await record('silent')];
  assert.equal(silent.replaceAll('"silent"', '"advisory"'), advisory);
  assert.notEqual(silent, advisory);
});

test('in silent mode a failure is reported, though a denial is not', () =>
  withPeers(loose('handshake', 'silent'), async (bed) => {
    const agent = await bed.agent('handshake');
    bed.peer.on('completion/complete', () => ({}));
    const ref = { type: 'ref/prompt', name: 'explain' };
    const argument = { name: 'topic', value: '' };
    assert.equal(codeOf(await agent.request('completion/complete', { ref, argument })), 'UPSTREAM_PROTOCOL_ERROR');
    assert.equal(bed.bed.reports.filter((line) => line.startsWith('UPSTREAM_PROTOCOL_ERROR call')).length, 1);
  }));

test('the mark of the reference is left out of the reply in silent mode, and the ids stay', () =>
  withPeers({ ...loose('handshake'), config: 'mode: silent\ncompat: cmcp-0.4' }, async (bed) => {
    const agent = await bed.agent('handshake');
    const { result } = await agent.request('resources/read', { uri: 'note:///guide' });
    const reference = result?._cmcp as Record<string, unknown>;
    assert.equal(typeof reference.call_id, 'string');
    assert.equal('would_have_denied' in reference, false);
  }));
