import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rulesFinding } from './trust.ts';

const HASH = `sha256:${'a'.repeat(64)}`;
const SOFTWARE = { provesCode: false, withoutHardware: true };

test('inspection rules are those that were expected, or the check fails', () => {
  assert.equal(rulesFinding(HASH, HASH, SOFTWARE).outcome, 'proven');
  assert.equal(rulesFinding(HASH, HASH.slice(7), SOFTWARE).outcome, 'proven');
  assert.equal(rulesFinding(HASH, `sha256:${'b'.repeat(64)}`, SOFTWARE).outcome, 'failed');
  assert.equal(rulesFinding(null, HASH, SOFTWARE).outcome, 'asserted');
});

test('what a program says of its rules is its word, unless the measured state covers its code', () => {
  assert.equal(rulesFinding(HASH, HASH, { provesCode: true, withoutHardware: false }).outcome, 'proven');
  assert.equal(rulesFinding(HASH, HASH, { provesCode: false, withoutHardware: false }).outcome, 'asserted');
});
