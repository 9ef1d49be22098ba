import assert from 'node:assert/strict';
import { test } from 'node:test';
import { but, codeOf, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { FAMILIES, type Family } from './support/wire.ts';

const CANARY = 'CANARY-beginning';
const completing = (peer: PeerServer): void => {
  peer.on('completion/complete', ({ params }) => ({
    completion: { values: [`${(params.argument as { value: string }).value}-whole`], hasMore: false },
  }));
};

const setup = (server: Family = 'handshake', changes: Partial<PeerSetup> = {}): PeerSetup => ({
  servers: { main: { family: server, script: completing } },
  prompts: { explain: { alias: 'tell' } },
  resources: { note: { template: 'note:///by-id/{id}', sensitivity: 'pii' } },
  ...changes,
});

const argument = { name: 'topic', value: CANARY };
const ofPrompt = { ref: { type: 'ref/prompt', name: 'tell' }, argument };
const ofTemplate = { ref: { type: 'ref/resource', uri: 'note:///by-id/{id}' }, argument: { ...argument, name: 'id' } };

for (const agentFamily of FAMILIES) {
  for (const serverFamily of FAMILIES) {
    test(`an argument is completed with one entry: ${agentFamily} agent, ${serverFamily} server`, () =>
      withPeers(setup(serverFamily), async (bed) => {
        const agent = await bed.agent(agentFamily);
        const context = { arguments: { known: 'already' } };
        const prompt = await agent.request('completion/complete', { ...ofPrompt, context });
        assert.deepEqual(prompt.result?.completion, { values: [`${CANARY}-whole`], hasMore: false });
        assert.ok((await agent.request('completion/complete', ofTemplate)).result);
        const [first] = bed.peer.sent('completion/complete');
        assert.deepEqual(first?.ref, { type: 'ref/prompt', name: 'explain' }, 'the name is the server’s own');
        assert.deepEqual(first?.context, context);
        const { session_id } = receiptOf(prompt);
        await bed.endSession(agent, session_id);
        const entries = await bed.entries(session_id, CANARY);
        assert.deepEqual(
          entries.map((entry) => [entry.entry_type, entry.action, entry.tool_name, entry.policy_decision]),
          [
            ['mcp_request', 'complete', 'explain', 'allow'],
            ['mcp_request', 'complete', 'note', 'allow'],
          ],
        );
        assert.deepEqual(
          entries.map((entry) => entry.session_sensitivity_after),
          ['public', 'pii'],
        );
      }));
  }

  test(`completion is denied by default, by the argument, and of what is not approved: ${agentFamily} agent`, () =>
    withPeers(
      setup('handshake', {
        policies: {
          'one.cedar': `@id("prompts") permit (principal, action == Action::"complete", resource == Prompt::"explain");
@id("read") permit (principal, action in [Action::"get_prompt", Action::"read_resource"], resource);
@id("long-only") forbid (principal, action == Action::"complete", resource) when { context.argument.value == "" };`,
        },
      }),
      async (bed) => {
        const agent = await bed.agent(agentFamily);
        const empty = { ...ofPrompt, argument: { name: 'topic', value: '' } };
        const refs: [{ ref: { type: string; uri?: string; name?: string }; argument: typeof argument }, string][] = [
          [empty, 'POLICY_DENY'],
          [ofTemplate, 'POLICY_DENY'],
          [{ ...ofPrompt, ref: { type: 'ref/prompt', name: 'explain' } }, 'PROMPT_NOT_IN_CATALOG'],
          [{ ...ofTemplate, ref: { type: 'ref/resource', uri: 'note:///other/{id}' } }, 'RESOURCE_NOT_IN_CATALOG'],
          [{ ...ofTemplate, ref: { type: 'ref/resource', uri: 'file:///etc/passwd' } }, 'RESOURCE_NOT_IN_CATALOG'],
        ];
        let session = '';
        for (const [params, code] of refs) {
          const reply = await agent.request('completion/complete', params);
          assert.equal(codeOf(reply), code);
          assert.equal(reply.error?.data?.uri, code === 'RESOURCE_NOT_IN_CATALOG' ? params.ref.uri : undefined);
          session = receiptOf(reply).session_id;
        }
        assert.ok((await agent.request('completion/complete', ofPrompt)).result);
        assert.equal(bed.peer.sent('completion/complete').length, 1);
        await bed.endSession(agent, session);
        const entries = await bed.entries(session, CANARY);
        assert.deepEqual(
          entries.map((entry) => entry.policy_rule_matched),
          [
            'long-only',
            'default_deny',
            'prompt_not_in_catalog',
            'resource_not_in_catalog',
            'resource_not_in_catalog',
            'prompts',
          ],
        );
      },
    ));
}

test('what completes is decided again before it is shown', () =>
  withPeers(
    setup('modern', {
      policies: but(
        '@id("no-hints") forbid (principal, action == Action::"complete", resource) when { context has response && context.response.size > 10 };',
      ),
    }),
    async (bed) => {
      const agent = await bed.agent('handshake');
      const reply = await agent.request('completion/complete', ofTemplate);
      assert.equal(codeOf(reply), 'EGRESS_DENIED');
      assert.equal(agent.bodies.join().includes('-whole'), false);
      const { session_id } = receiptOf(reply);
      await bed.endSession(agent, session_id);
      const [entry] = await bed.entries(session_id, CANARY);
      assert.deepEqual(entry?.policy_ids, ['no-hints']);
      assert.equal(entry?.session_sensitivity_after, 'public');
    },
  ));

test('a drifted prompt is not completed either', () =>
  withPeers(setup(), async (bed) => {
    bed.peer.lists['prompts/list'] = [];
    await bed.peer.announce('notifications/prompts/list_changed');
    await bed.bed.reported('CATALOG_DRIFT explain');
    const agent = await bed.agent('modern');
    assert.equal(codeOf(await agent.request('completion/complete', ofPrompt)), 'CATALOG_DRIFT');
    assert.ok((await agent.request('completion/complete', ofTemplate)).result);
  }));
