import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome, Report } from '@cmcp/evidence';
import { reportWith } from '../testing/report.ts';
import type { Anatomy } from './anatomy.ts';
import { type Picture, pictureOf } from './picture.ts';

const json = { file: 1, form: 'json', path: [] } as const;

function anatomy(entries: number): Anatomy {
  return {
    platform: 'amd-sev-snp',
    claim: { name: 'Claim', place: json },
    key: { name: 'Key', place: json },
    evidence: [],
    checkpoints: { name: 'Checkpoints', place: json },
    files: [],
    entries: Array.from({ length: entries }, () => ({ type: 'tool_call', tool: 'search', decision: 'allow' })),
    entriesAt: json,
  };
}

function drawn(report: Report, entries = 6): Picture {
  return pictureOf(report, anatomy(entries));
}

const trunk = (picture: Picture): Outcome[] => picture.trunk.map(({ outcome }) => outcome);
const chain = (picture: Picture): Outcome[] => picture.entries.map((_, i) => picture.outcomeAt(i));

test('where everything is proven, every link is', () => {
  const picture = drawn(reportWith({}));
  assert.deepEqual(trunk(picture), ['proven', 'proven', 'proven', 'proven']);
  assert.deepEqual(chain(picture), Array(6).fill('proven'));
  assert.equal(picture.outcomeIn({ start: 0, end: 6 }), 'proven');
});

test('what rests on a link that is not proven is at best asserted', () => {
  const picture = drawn(reportWith({ 'hardware.evidence': { outcome: 'not checked' } }));
  assert.deepEqual(trunk(picture), ['proven', 'not checked', 'asserted', 'asserted']);
  assert.deepEqual(chain(picture), Array(6).fill('asserted'));
});

test('a relaxed root is asserted, and so is all that rests on it, whatever its check says [UX-09]', () => {
  for (const flag of ['--accept-software-tpm', '--accept-operator-root']) {
    const picture = drawn(reportWith({}, [flag]));
    assert.deepEqual(trunk(picture), ['asserted', 'asserted', 'asserted', 'asserted'], flag);
    assert.ok(!chain(picture).includes('proven'), flag);
  }
});

test('a policy that nobody pinned leaves session_start asserted, and the rest as it is', () => {
  const picture = drawn(reportWith({ 'policy.hash': { outcome: 'asserted', required: false } }, ['--unpinned-policy']));
  assert.deepEqual(chain(picture), ['asserted', 'proven', 'proven', 'proven', 'proven', 'proven']);
});

test('a broken entry is red, and nothing is said of what comes after it', () => {
  const detail = 'entry 2 does not hash to its entry_hash';
  const picture = drawn(reportWith({ 'chain.hashes': { outcome: 'failed', detail } }));
  assert.deepEqual(chain(picture), ['asserted', 'asserted', 'failed', 'not checked', 'not checked', 'not checked']);
  assert.equal(picture.outcomeIn({ start: 0, end: 2 }), 'asserted');
  assert.equal(picture.outcomeIn({ start: 2, end: 6 }), 'failed');
});

test('a chain that is not the one of the claim is broken at its tip', () => {
  const picture = drawn(reportWith({ 'chain.bounds': { outcome: 'failed', detail: 'the last entry is not the tip' } }));
  assert.deepEqual(chain(picture), ['asserted', 'asserted', 'asserted', 'asserted', 'asserted', 'failed']);
});

test('every check is behind some link, also one that this version has never heard of', () => {
  const report = reportWith({ 'novel.thing': {}, 'receipt.1': {}, 'times.true': {} });
  const picture = drawn(report, 2);
  const behind = [...picture.trunk, picture.node(0), picture.node(1)].flatMap(({ checks }) => checks);
  assert.deepEqual(new Set(behind), new Set(report.checks));
});

test('a session of one entry has its commitments and its tip in one link', () => {
  const ids = drawn(reportWith({}), 1)
    .node(0)
    .checks.map(({ id }) => id);
  assert.ok(ids.includes('policy.hash') && ids.includes('chain.bounds'));
});

test('a file that could not be read has a trunk and no entries', () => {
  const picture = pictureOf(reportWith({ 'file.format': { outcome: 'failed' } }), null);
  assert.equal(picture.trunk.at(-1)?.outcome, 'failed');
  assert.deepEqual(picture.entries, []);
});
