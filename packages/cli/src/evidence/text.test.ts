import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EvidenceVerdict, TrustedRoot } from '@cmcp/evidence';
import { painter } from '../report-text.ts';
import { evidenceText } from './text.ts';

const ROOT: TrustedRoot = { name: 'ARK-Milan', fingerprint: 'ab'.repeat(32), source: 'vendor', assurance: 'silicon' };
const GOOD: EvidenceVerdict = {
  kind: 'tpm',
  authentic: true,
  acceptable: true,
  summary: 'Authentic and acceptable.',
  root: ROOT,
  checks: [],
  facts: {},
};
const paint = painter(true);
const text = (change: Partial<EvidenceVerdict>) => evidenceText({ ...GOOD, ...change }, true);
const answered = (change: Partial<EvidenceVerdict>) => text(change).split('\n')[0]?.replace('tpm evidence: ', '');

test('only what a vendor vouches for has the colour of it [UX-09]', () => {
  const said = 'AUTHENTIC AND ACCEPTABLE';
  assert.equal(answered({}), paint('green', said));
  const others: [TrustedRoot | null, string][] = [
    [null, said],
    [{ ...ROOT, source: 'operator' }, `${said} UNDER YOUR ROOT`],
    [{ ...ROOT, source: 'test' }, `${said} UNDER A TEST ROOT`],
    [{ ...ROOT, source: 'key' }, `${said} WITH YOUR PINNED KEY`],
    [{ ...ROOT, assurance: 'software-tpm' }, said],
  ];
  for (const [root, words] of others) assert.equal(answered({ root }), paint('yellow', words), JSON.stringify(root));
});

test('every other answer is said as what it is', () => {
  assert.equal(answered({ authentic: false, acceptable: false }), paint('red', 'NOT AUTHENTIC'));
  assert.equal(answered({ acceptable: false }), paint('red', 'AUTHENTIC, NOT ACCEPTABLE'));
  assert.equal(answered({ acceptable: null }), paint('yellow', 'AUTHENTIC, NOT DECIDED WHETHER ACCEPTABLE'));
});

test('the root is named with its kind: a test root, a virtual TPM and a software TPM are called that', () => {
  const said: [Partial<TrustedRoot>, RegExp][] = [
    [{}, /ARK-Milan \(a root of the vendor, pinned by this program\)\n {8}SHA-256 abab/],
    [{ source: 'operator' }, /a root that you named\)/],
    [{ source: 'test' }, /a TEST root: this evidence proves nothing about hardware/],
    [{ source: 'key' }, /as good as your reason to pin it/],
    [{ assurance: 'cloud-vtpm' }, /a virtual TPM of the cloud provider/],
    [{ assurance: 'software-tpm' }, /a software TPM: nothing vouches for the machine/],
  ];
  for (const [root, expected] of said) assert.match(text({ root: { ...ROOT, ...root } }), expected);
  assert.doesNotMatch(text({ root: null }), /Root:/);
});

test('text of the evidence cannot steer the terminal', () => {
  const hostile = 'x\u001b[2J\n';
  const shown = evidenceText(
    { ...GOOD, summary: hostile, root: { ...ROOT, name: hostile }, facts: { name: hostile } },
    false,
  );
  assert.ok(!shown.includes('\u001b'));
});
