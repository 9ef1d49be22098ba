import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABLE } from './support/agent.ts';
import { type PeerSetup, receiptOf, withPeers } from './support/peer-bed.ts';
import { FAMILIES, type Values } from './support/wire.ts';

const TOOLS = ['plain', 'hidden', 'denied', 'asked', 'waiting', 'named', 'bare'];

/** One tool for each decision; `owner`, `@id` and `@aarm_decision` are the author's, not the agent's. */
const POLICIES = {
  'allow.cedar': '@id("all") @owner("CANARY") permit (principal, action, resource);',
  'redact.cedar': '@id("hide") @redact("$.x") permit (principal, action == Action::"hidden", resource);',
  'deny.cedar': `@id("CANARY-no") @advice("Use another.") @severity("high") @owner("CANARY")
forbid (principal, action == Action::"denied", resource) when { !(context.arguments has canary) };`,
  'ask.cedar': `@id("CANARY-ask") @aarm_decision("step_up") @advice("Ask.") @approver("ciso") @ttl("15m") @owner("CANARY")
forbid (principal, action == Action::"asked", resource);`,
  'wait.cedar': `@id("CANARY-wait") @aarm_decision("defer") @ttl("2h") @escalate("ops")
forbid (principal, action == Action::"waiting", resource);`,
  'named.cedar': '@id("CANARY-n") @hitl @escalation("board") forbid (principal, action == Action::"named", resource);',
  'bare.cedar': '@id("CANARY-b") @owner("CANARY") forbid (principal, action == Action::"bare", resource);',
};

const SETUP: PeerSetup = {
  servers: {
    main: { script: (peer) => void peer.on('tools/call', () => ({ content: [{ type: 'text', text: '{"x":"y"}' }] })) },
  },
  tools: Object.fromEntries(
    TOOLS.map((name) => [
      name,
      { definition: { inputSchema: { type: 'object', properties: { canary: { type: 'string' } } } } },
    ]),
  ),
  policies: POLICIES,
};

/** Tool, code, advice as the agent is told it, decision as it is entered. */
const REFUSED: [string, string, Values | undefined, string][] = [
  ['denied', 'POLICY_DENY', { advice: 'Use another.', severity: 'high' }, 'deny'],
  ['asked', 'STEP_UP_REQUIRED', { advice: 'Ask.', approver: 'ciso', ttl_seconds: 900 }, 'step_up'],
  ['waiting', 'DEFERRED', { escalate: 'ops', ttl_seconds: 7200 }, 'defer'],
  ['named', 'STEP_UP_REQUIRED', { hitl: '', escalation: 'board' }, 'step_up'],
  ['bare', 'POLICY_DENY', undefined, 'deny'],
];

for (const family of FAMILIES) {
  test(`each decision is reached from a policy, and a refusal tells its advice and nothing else of the rule: ${family} agent [AARM-R4] [C-23]`, () =>
    withPeers(SETUP, async (bed) => {
      // A client that takes tasks is given one where it would have to wait.
      const { extensions: _tasks, ...capabilities } = ABLE;
      const agent = await bed.agent(family, { capabilities });
      const call = (name: string) => agent.request('tools/call', { name, arguments: {} });
      const plain = await call('plain');
      assert.deepEqual(plain.result?.content, [{ type: 'text', text: '{"x":"y"}' }]);
      assert.deepEqual((await call('hidden')).result?.content, [{ type: 'text', text: '{"x":"[redacted]"}' }]);
      for (const [name, code, advice] of REFUSED) {
        const { error } = await call(name);
        assert.ok(error, name);
        assert.equal(error.data?.error_code, code);
        assert.deepEqual(error.data?.advice, advice);
        const asked = code === 'POLICY_DENY' ? [] : ['approval_id', 'expires_at'];
        const members = [
          'error_code',
          'call_id',
          'io.cmcp/call',
          ...asked,
          ...(advice === undefined ? [] : ['advice']),
        ];
        assert.deepEqual(Object.keys(error.data ?? {}).sort(), members.sort());
      }
      assert.equal(agent.bodies.join().includes('CANARY'), false);
      assert.equal(bed.peer.received.items.filter(({ method }) => method === 'tools/call').length, 2);
      const { session_id } = receiptOf(plain);
      await bed.endSession(agent, session_id);
      const entries = await bed.entries(session_id);
      assert.deepEqual(
        entries.map(({ tool_name, policy_decision }) => [tool_name, policy_decision]),
        [['plain', 'allow'], ['hidden', 'redact'], ...REFUSED.map(([name, , , decision]) => [name, decision])],
      );
      assert.deepEqual(
        entries.map(({ detail }) => detail?.severity),
        [undefined, undefined, 'high', undefined, undefined, undefined, undefined],
      );
    }));
}
