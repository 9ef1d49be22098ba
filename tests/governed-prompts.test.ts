import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalDigest, codeOf, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { FAMILIES, type Family } from './support/wire.ts';

const CANARY = 'CANARY-topic';
const said = (topic: unknown) => [{ role: 'user', content: { type: 'text', text: `About ${String(topic)}` } }];

const speaking = (peer: PeerServer): void => {
  peer.on('prompts/get', ({ params }) => ({ messages: said((params.arguments as { topic?: string }).topic) }));
};

const prompts = (server: Family = 'handshake', changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: server, script: speaking } },
  prompts: { explain: { sensitivity: 'confidential' }, closed: {} },
  ...changes,
});

const explain = { name: 'explain', arguments: { topic: CANARY } };

for (const agentFamily of FAMILIES) {
  for (const serverFamily of FAMILIES) {
    test(`a prompt is got with one entry: ${agentFamily} agent, ${serverFamily} server`, () =>
      withPeers(prompts(serverFamily), async (bed) => {
        const agent = await bed.agent(agentFamily);
        const reply = await agent.request('prompts/get', explain);
        assert.deepEqual(reply.result?.messages, said(CANARY));
        const { session_id, call_id } = receiptOf(reply);
        await bed.endSession(agent, session_id);
        const [entry, ...more] = await bed.entries(session_id, CANARY);
        assert.deepEqual(more, []);
        assert.equal(entry?.call_id, call_id);
        assert.deepEqual(
          [entry?.entry_type, entry?.action, entry?.tool_name, entry?.policy_decision],
          ['mcp_request', 'get_prompt', 'explain', 'allow'],
        );
        assert.match(String(entry?.response_payload_hash), /^sha256:/);
        assert.equal(entry?.session_sensitivity_after, 'confidential');
      }));
  }

  test(`a prompt is denied by default, by its arguments, and when it is unknown: ${agentFamily} agent`, () =>
    withPeers(
      prompts('handshake', {
        policies: {
          'one.cedar': `@id("explain") permit (principal, action == Action::"get_prompt", resource == Prompt::"explain");
@id("no-secrets") forbid (principal, action == Action::"get_prompt", resource)
when { context.arguments.contains({ name: "topic", value: "secret" }) };`,
        },
      }),
      async (bed) => {
        const agent = await bed.agent(agentFamily);
        assert.ok((await agent.request('prompts/get', explain)).result);
        const closed = await agent.request('prompts/get', { name: 'closed' });
        assert.equal(codeOf(closed), 'POLICY_DENY');
        const secret = await agent.request('prompts/get', { name: 'explain', arguments: { topic: 'secret' } });
        assert.equal(codeOf(secret), 'POLICY_DENY');
        for (const name of ['Explain', 'explain ', 'other']) {
          const unknown = await agent.request('prompts/get', { name });
          assert.equal(codeOf(unknown), 'PROMPT_NOT_IN_CATALOG', name);
          assert.equal(unknown.error?.code, -32602);
        }
        assert.equal(bed.peer.sent('prompts/get').length, 1);
        const { session_id } = receiptOf(secret);
        await bed.endSession(agent, session_id);
        const entries = await bed.entries(session_id, CANARY);
        assert.deepEqual(
          entries.map((entry) => [entry.policy_decision, entry.policy_rule_matched]),
          [
            ['allow', 'explain'],
            ['deny', 'default_deny'],
            ['deny', 'no-secrets'],
            ...Array.from({ length: 3 }, () => ['deny', 'prompt_not_in_catalog']),
          ],
        );
      },
    ));

  test(`a prompt whose definition changed is refused until it is approved anew, and the chain says why once: ${agentFamily} agent [W-17]`, () =>
    withPeers(prompts(), async (bed) => {
      const agent = await bed.agent(agentFamily);
      assert.ok((await agent.request('prompts/get', explain)).result);
      bed.peer.lists['prompts/list'] = [{ name: 'explain', arguments: [], description: 'Changed' }];
      await bed.peer.announce('notifications/prompts/list_changed');
      await bed.bed.reported('CATALOG_DRIFT explain');
      for (let n = 0; n < 2; n += 1) {
        assert.equal(codeOf(await agent.request('prompts/get', explain)), 'CATALOG_DRIFT');
      }
      const withdrawn = await agent.request('prompts/get', { name: 'closed' });
      assert.equal(codeOf(withdrawn), 'CATALOG_DRIFT', 'what is no longer listed is withdrawn');
      assert.equal(bed.peer.sent('prompts/get').length, 1);
      const { session_id } = receiptOf(withdrawn);
      await bed.endSession(agent, session_id);
      assert.deepEqual(
        (await bed.entries(session_id, CANARY)).map(({ policy_decision }) => policy_decision),
        ['allow', 'deny', 'deny', 'deny'],
      );
      const drift = await bed.others(session_id, 'catalog_drift');
      assert.deepEqual(
        drift.map(({ action, tool_name, detail }) => [action, tool_name, detail?.kind]),
        [
          ['get_prompt', 'explain', 'definition_changed'],
          ['get_prompt', 'closed', 'withdrawn'],
        ],
      );
    }));
}

test('a prompt whose messages are pinned passes as they are, and otherwise is drift', () =>
  withPeers(prompts('modern', { prompts: { explain: { digest: canonicalDigest(said('x')) } } }), async (bed) => {
    const agent = await bed.agent('modern');
    assert.ok((await agent.request('prompts/get', { name: 'explain', arguments: { topic: 'x' } })).result);
    const other = await agent.request('prompts/get', explain);
    assert.equal(codeOf(other), 'CATALOG_DRIFT');
    assert.equal(agent.bodies.join().includes(CANARY), false);
  }));

test('agents are shown the approved definition under its alias, and the server is asked by its own name', () =>
  withPeers(prompts('handshake', { prompts: { explain: { alias: 'tell' } } }), async (bed) => {
    bed.peer.lists['prompts/list'] = [{ ...bed.peer.lists['prompts/list']?.[0], title: 'Live text' }];
    const agent = await bed.agent('handshake');
    const listed = (await agent.request('prompts/list')).result?.prompts;
    assert.deepEqual(listed, [{ name: 'tell', arguments: [{ name: 'topic' }] }]);
    assert.equal(codeOf(await agent.request('prompts/get', explain)), 'PROMPT_NOT_IN_CATALOG');
  }));
