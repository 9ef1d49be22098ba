import assert from 'node:assert/strict';
import { test } from 'node:test';
import { intentOf } from './intent.ts';
import { parsePolicies } from './parse.ts';

const intent = (text: string) => intentOf({ policies: parsePolicies([{ path: 'a.cedar', text }]) });

const EVERYTHING = [
  'permit(principal, action, resource);',
  'permit(principal is Agent, action, resource is Resource);',
  'permit(principal, action in Action::"call_tool", resource);',
  'permit(principal, action, resource) when { true };',
  'permit(principal, action, resource) unless { false };',
  'permit(principal, action, resource) when { 1 == 1 || context.egress };',
  'permit(principal, action, resource) when { !false && true } unless { !(context == context) };',
  'permit(principal, action, resource) unless { false && context.caller.staff };',
  'permit(principal, action, resource) unless { context.caller.staff && false };',
  'permit(principal, action, resource) when { 1 < 2 && "a" != "b" && 3 >= 3 };',
  'permit(principal, action, resource) when { if true then true else context.egress };',
  'permit(principal, action, resource) when { if context.egress then true else true };',
  'permit(principal, action in [Action::"call_tool"], resource);',
  'permit(principal, action in [Action::"read_resource", Action::"call_tool", Action::"sample"], resource);',
  'permit(principal, action, resource is Resource);',
  'permit(principal, action, resource) when { action in Action::"call_tool" };',
  'permit(principal, action, resource) when { action in [Action::"elicit", Action::"call_tool"] };',
  'permit(principal, action, resource) when { principal is Agent && resource is Resource };',
  'permit(principal, action, resource) unless { resource is McpResource || resource is Prompt || resource is Server };',
];

const SOMETHING = [
  'permit(principal == Agent::"a", action, resource);',
  'permit(principal, action == Action::"read", resource);',
  'permit(principal, action in Action::"read_group", resource);',
  'permit(principal, action == Action::"call_tool", resource);',
  'permit(principal, action in [Action::"read_resource", Action::"subscribe"], resource);',
  'permit(principal, action == Action::"sample", resource);',
  'permit(principal, action in [], resource);',
  'permit(principal, action, resource is McpResource);',
  'permit(principal is Agent in Agent::"team", action, resource);',
  'permit(principal, action, resource is Resource in Server::"s");',
  'permit(principal, action, resource) when { action in Action::"read_resource" };',
  'permit(principal, action, resource) when { action in [Action::"read_resource"] };',
  'permit(principal, action, resource) when { principal in Action::"call_tool" };',
  'permit(principal, action, resource) when { resource is Prompt };',
  'permit(principal, action, resource) when { resource is Resource in Server::"s" };',
  'permit(principal, action, resource) when { resource is Robot };',
  'permit(principal, action, resource) when { principal is Resource };',
  'permit(principal, action, resource) when { action is Action };',
  'permit(principal, action, resource) when { context.owner is Agent };',
  'permit(principal, action, resource in Server::"s");',
  'permit(principal, action, resource) when { false };',
  'permit(principal, action, resource) unless { true };',
  'permit(principal, action, resource) when { context.workflow == "w" };',
  'permit(principal, action, resource) when { true && context.caller.staff };',
  'permit(principal, action, resource) when { true } when { context.caller.staff };',
  'permit(principal, action, resource) when { !context.caller.staff };',
  'permit(principal, action, resource) unless { context.caller.staff || false };',
  'permit(principal, action, resource) when { true && 1 };',
  'permit(principal is Robot, action, resource);',
  'permit(principal, action, resource) when { 2 < 1 || "a" == "b" || 1 == "a" };',
  'permit(principal, action, resource) when { if context.egress then true else false };',
  'permit(principal, action, resource) when { if false then true else context.egress };',
  'permit(principal, action, resource) when { context.session.rank < 2 };',
  'forbid(principal, action, resource);',
];

test('a permit that holds for every call is recognised however it is written', () => {
  for (const policy of EVERYTHING) assert.deepEqual(intent(policy).unconditionalPermits, ['policy0'], policy);
});

test('a permit that leaves any call out is not called unconditional', () => {
  for (const policy of SOMETHING) assert.deepEqual(intent(policy).unconditionalPermits, [], policy);
});

test('a rule on destinations or answers counts as deciding on egress, wherever it stands in the condition', () => {
  for (const condition of [
    'context.response.size > 10',
    'context has egress',
    'context.response_size_bytes > 10',
    'resource.destination_class == "public"',
    'if context.caller.staff then true else [context.sensitivity_level].contains(3)',
  ]) {
    assert.ok(intent(`forbid(principal, action, resource) when { ${condition} };`).decidesOnEgress, condition);
  }
  assert.equal(
    intent('forbid(principal, action, resource) when { context.arguments.to == "x" };').decidesOnEgress,
    false,
  );
});

test('the order of the files is the order of the ids, and forbids are seen', () => {
  const found = intent('forbid(principal, action, resource) when { true };\npermit(principal, action, resource);');
  assert.deepEqual(found, { unconditionalPermits: ['policy1'], forbids: true, decidesOnEgress: false });
});

test('a forbid that never holds takes nothing back', () => {
  for (const never of [
    'when { false }',
    'unless { true }',
    'when { 2 < 1 }',
    'when { context.egress } when { false }',
    'when { resource is Server }',
  ]) {
    assert.equal(intent(`forbid(principal, action, resource) ${never};`).forbids, false, never);
  }
  for (const holds of ['', 'when { true }', 'when { context.egress }', 'unless { false }']) {
    assert.equal(intent(`forbid(principal, action, resource) ${holds};`).forbids, true, holds);
  }
});
