import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { asserted, type Finding, failed, notChecked, proven } from '../finding.ts';
import {
  acceptability,
  authenticity,
  type EvidenceCheck,
  type EvidenceVerdict,
  evidenceVerdict,
  expectation,
  remark,
  unreadable,
} from './verdict.ts';

const FINDINGS: readonly Finding[] = [proven('holds'), failed('fails'), asserted('is said'), notChecked('is open')];
const genuine = (finding: Finding): EvidenceCheck => authenticity('x.genuine', 'Genuine?', finding);
const good = (finding: Finding): EvidenceCheck => acceptability('x.good', 'Good?', finding);
const verdict = (...checks: EvidenceCheck[]): EvidenceVerdict => evidenceVerdict('tpm', checks, null, {});
const answers = ({ authentic, acceptable }: EvidenceVerdict) => [authentic, acceptable];

test('a verifier that asked nothing, or nothing that is required, has shown nothing', () => {
  const nothing = verdict();
  assert.deepEqual(answers(nothing), [false, false]);
  assert.equal(nothing.summary, 'Not authentic: nothing was supplied.');
  assert.deepEqual(answers(verdict(good(proven('holds')))), [false, false]);
  assert.deepEqual(answers(verdict(remark('authentic', 'x', 'X?', proven('holds')))), [false, false]);
});

test('authentic is what has every required question about it proven, and nothing else', () => {
  for (const finding of FINDINGS) {
    const found = verdict(genuine(proven('holds')), genuine(finding));
    assert.equal(found.authentic, finding.outcome === 'proven', finding.outcome);
  }
});

test('acceptable is undecided while a required question is open, and no when one failed', () => {
  const expected = { proven: true, failed: false, asserted: null, 'not checked': null };
  for (const finding of FINDINGS) {
    const found = verdict(genuine(proven('holds')), good(proven('holds')), good(finding));
    assert.deepEqual(answers(found), [true, expected[finding.outcome]]);
  }
  assert.deepEqual(answers(verdict(genuine(proven('holds')))), [true, true]);
  assert.deepEqual(answers(verdict(genuine(proven('holds')), good(notChecked('open')), good(failed('bad')))), [
    true,
    false,
  ]);
});

test('what is not authentic is not acceptable, whatever else holds', () => {
  for (const finding of FINDINGS.slice(1)) {
    assert.deepEqual(answers(verdict(genuine(finding), good(proven('holds')))), [false, false]);
  }
});

test('a remark holds nothing up unless it failed', () => {
  for (const finding of FINDINGS) {
    const holds = finding.outcome !== 'failed';
    const whole = [genuine(proven('holds')), good(proven('holds'))];
    assert.equal(verdict(...whole, remark('authentic', 'x', 'X?', finding)).authentic, holds);
    assert.equal(verdict(...whole, remark('acceptable', 'x', 'X?', finding)).acceptable, holds);
  }
});

test('the summary gives the reason of the answer: a failure before what is open', () => {
  const open = genuine(notChecked('no chain was supplied'));
  assert.equal(verdict(open).summary, 'Not authentic: no chain was supplied.');
  assert.equal(
    verdict(open, genuine(failed('the signature is wrong'))).summary,
    'Not authentic: the signature is wrong.',
  );
  const shown = genuine(proven('holds'));
  assert.equal(verdict(shown, good(failed('debug is on'))).summary, 'Authentic, not acceptable: debug is on.');
  assert.equal(
    verdict(shown, remark('acceptable', 'x', 'X?', notChecked('not this')), good(notChecked('no collateral'))).summary,
    'Authentic; whether it is acceptable is not decided: no collateral.',
  );
  assert.equal(verdict(shown).summary, 'Authentic and acceptable.');
});

test('a remedy is named where the verdict depends on it', () => {
  const finding = notChecked('no collateral', '--file tcb_info=FILE');
  assert.equal(good(finding).remedy, '--file tcb_info=FILE');
  assert.equal('remedy' in remark('acceptable', 'x', 'X?', finding), false);
  assert.equal('remedy' in good(notChecked('no collateral')), false);
});

test('evidence that cannot be read is neither, and says why', () => {
  const found = unreadable('tdx', 'the quote is short');
  assert.deepEqual([found.kind, ...answers(found), found.root], ['tdx', false, false, null]);
  assert.equal(found.summary, 'Not authentic: the quote is short.');
  assert.deepEqual(
    found.checks.map(({ id, outcome }) => [id, outcome]),
    [['evidence.form', 'failed']],
  );
});

test('an expectation is proven, failed, or said not to have been there', () => {
  const said = { holds: 'it is', differs: 'it is not', missing: 'none was given' };
  assert.deepEqual(expectation(true, said, 'a'), proven('it is', 'a'));
  assert.deepEqual(expectation(false, said, 'a'), failed('it is not', 'a'));
  assert.deepEqual(expectation(null, said, 'a', '--nonce HEX'), notChecked('none was given', '--nonce HEX'));
});

test('no set of answers is acceptable and not authentic, and none with a failure is acceptable', () => {
  const finding = fc.constantFrom(...FINDINGS);
  const about = fc.constantFrom('authentic' as const, 'acceptable' as const);
  const check = fc.oneof(
    finding.map(genuine),
    finding.map(good),
    fc.tuple(about, finding).map(([which, each]) => remark(which, 'x', 'X?', each)),
  );
  fc.assert(
    fc.property(fc.array(check, { maxLength: 6 }), (checks) => {
      const found = verdict(...checks);
      if (found.acceptable === true) {
        assert.ok(found.authentic);
        assert.ok(checks.every(({ outcome }) => outcome !== 'failed'));
        assert.ok(checks.every(({ outcome, required }) => !required || outcome === 'proven'));
      }
    }),
  );
});
