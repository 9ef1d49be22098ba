/** What may wait for an approval besides tools, and what policy says once it is there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE } from './support/agent.ts';
import { asking, FORM, MAY_ASK } from './support/asks.ts';
import { codeOf, type PeerBed, type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import type { PeerServer } from './support/peer-server.ts';
import { FAMILIES, type Values } from './support/wire.ts';

const NOTE = 'note:///by-id/7';
const POLICY = `permit (principal, action, resource);
@id("reads") @hitl forbid (principal, action == Action::"read_resource", resource);
@id("greetings") @hitl forbid (principal, action == Action::"get_prompt", resource);
@id("ends") @hitl forbid (principal, action == Action::"complete", resource);
@id("first") @approver("finance") forbid (principal, action == Action::"pay", resource);
@id("second") @hitl
forbid (principal, action == Action::"pay", resource)
when { context has approval && context.approval.approvers.contains("finance") };
@id("shut") @hitl forbid (principal, action == Action::"shut", resource);
@id("never") forbid (principal, action == Action::"shut", resource) when { context has approval };
@id("big-answers") forbid (principal, action == Action::"list", resource) when { context has response && context.response.size > 1000 };
@id("lists") @hitl forbid (principal, action == Action::"list", resource);
`;
const SETUP: PeerSetup = {
  servers: {
    main: {
      script: (peer: PeerServer): void => {
        peer.on('resources/read', ({ params }) => ({ contents: [{ uri: params.uri, text: 'a note' }] }));
        peer.on('prompts/get', ({ params }) => ({
          messages: [{ role: 'user', content: { type: 'text', text: JSON.stringify(params.arguments) } }],
        }));
        peer.on('tools/call', ({ params }) => ({
          content: [{ type: 'text', text: 'x'.repeat(params.name === 'list' ? 2000 : 1) }],
        }));
      },
    },
  },
  resources: { note: { template: 'note:///by-id/{id}' } },
  prompts: { greeting: { definition: { arguments: [{ name: 'who' }] } } },
  tools: { pay: {}, shut: {}, list: {} },
  policies: { 'all.cedar': POLICY },
  config: 'approvals: { approvers: { finance: { operators: [op] } } }',
};

async function grant({ bed }: PeerBed, data: Values | undefined): Promise<void> {
  const { status, body } = await bed.operator('POST', `/operator/v1/approvals/${data?.approval_id}/grant`, {
    reason: 'yes',
  });
  assert.deepEqual([status, body.state], [200, 'approved'], JSON.stringify(body));
}

for (const family of FAMILIES) {
  test(`resources and prompts wait for approvals of exactly their request; completions are refused: ${family} agent [AARM-R4]`, () =>
    withPeers(SETUP, async (bed) => {
      const agent = await bed.agent(family);
      for (const [method, params, other] of [
        ['resources/read', { uri: NOTE }, { uri: 'note:///by-id/8' }],
        ['prompts/get', { name: 'greeting', arguments: { who: 'a' } }, { name: 'greeting', arguments: { who: 'b' } }],
      ] as const) {
        const { error } = await agent.request(method, params);
        assert.equal(error?.data?.error_code, 'STEP_UP_REQUIRED', method);
        await grant(bed, error?.data);
        assert.equal(codeOf(await agent.request(method, other)), 'STEP_UP_REQUIRED', 'another one');
        assert.ok((await agent.request(method, params)).result, method);
        assert.equal(codeOf(await agent.request(method, params)), 'STEP_UP_REQUIRED', 'once');
      }
      const ref = { type: 'ref/prompt', name: 'greeting' };
      const completion = await agent.request('completion/complete', { ref, argument: { name: 'who', value: 'a' } });
      assert.deepEqual([codeOf(completion), completion.error?.data?.approval_id], ['STEP_UP_REQUIRED', undefined]);
    }));
}

test('what policy asks besides, once something was approved, is asked with it, and all of it then lets the call through', () =>
  withPeers(SETUP, async (bed) => {
    const agent = await bed.agent('handshake');
    const pay = () => agent.request('tools/call', { name: 'pay', arguments: {} });
    const first = (await pay()).error?.data;
    await grant(bed, first);
    const second = (await pay()).error?.data;
    assert.equal(second?.error_code, 'STEP_UP_REQUIRED');
    assert.notEqual(second?.approval_id, first?.approval_id, 'the first was used up by asking');
    assert.equal((await pay()).error?.data?.approval_id, second?.approval_id);
    await grant(bed, second);
    const paid = await pay();
    assert.ok(paid.result, JSON.stringify(paid));
    const { session_id, call_id } = receiptOf(paid);
    await bed.endSession(agent, session_id);
    const entries = await bed.others(session_id, 'approval');
    assert.deepEqual(
      entries.map(({ action, policy_ids }) => [action, policy_ids.join()]),
      [
        ['approval_requested', 'first'],
        ['approval_granted', 'first'],
        ['approval_used', 'first'],
        ['approval_requested', 'first,second'],
        ['approval_granted', 'first,second'],
        ['approval_used', 'first,second'],
      ],
    );
    assert.equal(entries.at(-1)?.call_id, call_id);
    assert.equal((await bed.verified(session_id)).verdict, 'verified');
  }));

test('a rule that forbids what was approved, or its answer, still does', () =>
  withPeers(SETUP, async (bed) => {
    const agent = await bed.agent('handshake');
    const call = (name: string) => agent.request('tools/call', { name, arguments: {} });
    await grant(bed, (await call('shut')).error?.data);
    assert.equal(codeOf(await call('shut')), 'POLICY_DENY');
    await grant(bed, (await call('list')).error?.data);
    const listed = await call('list');
    assert.equal(codeOf(listed), 'EGRESS_DENIED');
    const { session_id } = receiptOf(listed);
    await bed.endSession(agent, session_id);
    assert.equal((await bed.verified(session_id)).verdict, 'verified');
  }));

test('an approval of a call is none of what its server asks meanwhile', () =>
  withPeers(
    {
      servers: { main: { asks: MAY_ASK, script: asking({ form: FORM, free: FORM }) } },
      tools: { form: {}, free: {} },
      policies: {
        'all.cedar': `permit (principal, action, resource);
@id("asks") @hitl forbid (principal, action in [Action::"form", Action::"elicit"], resource) unless { context has during && context.during == "free" };
@id("free") @hitl forbid (principal, action == Action::"free", resource);`,
      },
    },
    async (bed) => {
      const agent = await bed.agent('handshake', {
        capabilities: ABLE,
        answer: () => ({ action: 'accept', content: { city: 'x' } }),
      });
      const call = (name: string) => agent.request('tools/call', { name, arguments: {} });
      for (const name of ['form', 'free']) await grant(bed, (await call(name)).error?.data);
      assert.ok((await call('form')).result);
      const { session_id } = receiptOf(await call('free'));
      assert.equal(agent.asked.items.length, 1, 'the user is asked by the one that may');
      await bed.endSession(agent, session_id);
      assert.equal((await bed.verified(session_id)).verdict, 'verified');
      const asked = (await bed.others(session_id, 'mcp_request')).filter(({ action }) => action === 'elicit');
      assert.deepEqual(
        asked.map(({ policy_decision, policy_ids }) => [policy_decision, policy_ids.join()]),
        [
          ['step_up', 'asks'],
          ['allow', 'policy0'],
        ],
      );
    },
  ));
