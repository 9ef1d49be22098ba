import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Expr, policyToJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { CedarRequest } from '../../../policy/request.ts';
import { Inquiry } from './inquiry.ts';
import { askAbout, confirmed, type NamedValue, valuesIn } from './values.ts';

const REQUEST: CedarRequest = {
  principal: { type: 'Agent', id: 'a "b"' },
  action: { type: 'Action', id: 'x' },
  resource: { type: 'Resource', id: 'r' },
  entities: [{ uid: { type: 'Resource', id: 'r' }, attrs: { rank: 3 }, parents: [] }],
  context: { name: 'n', set: [2, 1], record: { 'odd name': true }, deep: { er: {} } },
};

function conditionOf(text: string): Expr {
  const parsed = policyToJson(`permit (principal, action, resource) when { ${text} };`);
  assert.equal(parsed.type, 'success');
  return parsed.json.conditions[0]?.body as Expr;
}

/** What is read off `read`, as far as Cedar agrees for `asked`. */
function values(text: string, read: CedarRequest = REQUEST, asked: CedarRequest = REQUEST): NamedValue[] {
  const inquiry = new Inquiry();
  const candidates = valuesIn(conditionOf(text), read);
  askAbout(candidates, inquiry);
  const answers = inquiry.put(asked, null);
  assert.ok(answers);
  return confirmed(candidates, answers);
}

test('every attribute that a condition reads has its value, and Cedar agrees', () => {
  const text =
    'context.name == "n" && context.set.contains(1) && context.record["odd name"] && resource.rank < 4 && principal == Agent::"z" && context has deep.er.est && context.none > 1';
  assert.deepEqual(values(text), [
    { name: 'context.name', value: '"n"' },
    { name: 'context.set', value: '[2, 1]' },
    { name: 'context.record["odd name"]', value: 'true' },
    { name: 'resource.rank', value: '3' },
    { name: 'principal', value: 'Agent::"a \\"b\\""' },
    { name: 'context.deep.er.est', value: null },
    { name: 'context.none', value: null },
  ]);
});

test('a value that Cedar does not agree with is not told', () => {
  const other = { ...REQUEST, context: { ...REQUEST.context, name: 'other' } };
  assert.deepEqual(values('context.name == "n" || context.none', REQUEST, other), [
    { name: 'context.none', value: null },
  ]);
  const there = { ...REQUEST, context: { none: true } };
  assert.deepEqual(values('context.none', REQUEST, there), []);
});
