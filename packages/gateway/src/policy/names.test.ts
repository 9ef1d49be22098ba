import assert from 'node:assert/strict';
import { test } from 'node:test';
import { named } from './names.ts';
import { parsePolicies } from './parse.ts';

const names = (text: string): string[] => named(parsePolicies([{ path: 'a.cedar', text }])).map(({ id }) => id);
const permit = 'permit (principal, action, resource);';

test('native policies go by their @id, and by their position without one [W-14]', () => {
  assert.deepEqual(names(`@id("first") ${permit}\n${permit}\n@id("a.b:c_d-9") ${permit}`), [
    'first',
    'policy1',
    'a.b:c_d-9',
  ]);
});

test('the name of a policy is not advice', () => {
  const [policy] = named(parsePolicies([{ path: 'a.cedar', text: `@id("x") @advice("y") ${permit}` }]));
  assert.deepEqual(policy?.annotations, { advice: 'y' });
});

test('a name that is taken, positional, empty or not plain is refused with its file', () => {
  const invalid = { code: 'POLICY_INVALID', detail: /a\.cedar/ };
  assert.throws(() => names(`@id("x") ${permit} @id("x") ${permit}`), invalid);
  for (const id of ['policy0', '', 'two words', 'comma,name', 'ünı', 'x'.repeat(101)]) {
    assert.throws(() => names(`@id("${id}") ${permit}`), invalid, id);
  }
});
