import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Report } from '@cmcp/evidence';
import { reportWith } from '../testing/report.ts';
import { countsOf, standingOf } from './standing.ts';
import { stepsOf } from './steps.ts';

const outcomes = (report: Report): string[] => stepsOf(report).map(({ outcome }) => outcome);

test('three questions, each answered by its checks; every check belongs to exactly one [UX-03]', () => {
  const report = reportWith({ 'novel.thing': {} });
  const steps = stepsOf(report);
  assert.deepEqual(outcomes(report), ['proven', 'proven', 'proven']);
  const asked = steps.flatMap(({ checks }) => checks);
  assert.equal(asked.length, report.checks.length);
  assert.deepEqual(new Set(asked), new Set(report.checks));
});

test('code and records rest on the runtime: without it they are asserted', () => {
  assert.deepEqual(outcomes(reportWith({ 'hardware.root': { outcome: 'not checked' } })), [
    'not checked',
    'asserted',
    'asserted',
  ]);
  assert.deepEqual(outcomes(reportWith({ 'policy.hash': { outcome: 'asserted' } })), ['proven', 'asserted', 'proven']);
  assert.deepEqual(outcomes(reportWith({ 'chain.links': { outcome: 'failed' } })), ['proven', 'proven', 'failed']);
});

test('an informative check that failed counts, one that was not made does not', () => {
  assert.deepEqual(outcomes(reportWith({ 'times.true': { outcome: 'asserted', required: false } })), [
    'proven',
    'proven',
    'proven',
  ]);
  assert.deepEqual(outcomes(reportWith({ 'hardware.gpu': { outcome: 'failed', required: false } })), [
    'failed',
    'asserted',
    'asserted',
  ]);
});

test('only a verified report without any relaxation is shown as verified [UX-09]', () => {
  assert.deepEqual(standingOf(reportWith({})), { tone: 'good', word: 'Verified' });
  for (const flag of ['--accept-software', '--unpinned-catalog', '--allow-mode advisory', '--some-later-flag']) {
    assert.equal(standingOf(reportWith({}, [flag])).tone, 'caution', flag);
  }
  assert.equal(standingOf(reportWith({ 'key.pinned': { outcome: 'asserted' } })).tone, 'caution');
  assert.equal(standingOf(reportWith({ 'key.pinned': { outcome: 'failed' } })).tone, 'bad');
});

test('a mode, a policy or a catalog that was waved through is asserted in the second question', () => {
  for (const [flag, id] of [
    ['--allow-mode advisory', 'policy.mode'],
    ['--allow-mode silent', 'policy.mode'],
    ['--unpinned-policy', 'policy.hash'],
    ['--unpinned-catalog', 'catalog.hash'],
  ] as const) {
    assert.equal(outcomes(reportWith({ [id]: { required: false } }, [flag]))[1], 'asserted', flag);
  }
});

test('checks are counted by outcome', () => {
  const counts = countsOf(reportWith({ 'key.pinned': { outcome: 'asserted' }, 'chain.links': { outcome: 'failed' } }));
  assert.deepEqual(counts, { proven: 20, asserted: 1, 'not checked': 0, failed: 1 });
});
