import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Report } from './report.ts';
import { type NamedReport, seriesChecks } from './series.ts';

/** A report on a claim: its number is that of its digest, and it names `previous`. */
function named(number: number, previous: number | null, more: Partial<NonNullable<Report['claim']>> = {}): NamedReport {
  const claim = {
    session_id: `session ${number}`,
    number,
    digest: `claim ${number}`,
    previous: previous === null ? null : `claim ${previous}`,
    key: 'a key',
    ...more,
  };
  return { file: `${number}.json`, report: reportWith(claim) };
}

function reportWith(claim: Report['claim']): Report {
  return {
    verdict: 'verified',
    summary: '',
    session_id: claim?.session_id ?? null,
    claim,
    checks: [],
    relaxations: [],
    lacking: [],
    residual: [],
  };
}

const outcomes = (...reports: NamedReport[]) =>
  Object.fromEntries(seriesChecks(reports).map(({ id, outcome }) => [id.replace('series.', ''), outcome]));
const detail = (id: string, ...reports: NamedReport[]): string =>
  seriesChecks(reports).find((check) => check.id === `series.${id}`)?.detail ?? '';

const WHOLE = { once: 'proven', forks: 'proven', links: 'proven' };

test('one file is no series', () => {
  assert.deepEqual(seriesChecks([]), []);
  assert.deepEqual(seriesChecks([named(1, null)]), []);
});

test('claims that each name the one before are a row, in whatever order their files come', () => {
  assert.deepEqual(outcomes(named(1, null), named(2, 1), named(3, 2)), WHOLE);
  assert.deepEqual(outcomes(named(3, 2), named(1, null), named(2, 1)), WHOLE);
});

test('the first claims of two stores name nothing, which is no fork', () => {
  const other = named(1, null, { digest: 'other', session_id: 'other', key: 'another key' });
  assert.deepEqual(outcomes(named(1, null), other), { ...WHOLE, links: 'not checked' });
  assert.match(detail('links', named(1, null), other), /each of these is the first of one/);
});

test('two claims of one number under one key are two accounts of one row [ATK-34]', () => {
  const other = { ...named(1, null, { digest: 'other', session_id: 'other' }), file: 'other.json' };
  assert.equal(outcomes(named(1, null), other).forks, 'failed');
  assert.match(
    detail('forks', named(1, null), other),
    /1\.json and other\.json have one number, and one key signed both/,
  );
});

test('the same claim twice, and two claims of one session, are refused by their files', () => {
  const [first, second, third] = [named(1, null), named(2, 1), named(3, 2)];
  assert.equal(outcomes(first, second, third, { ...first, file: 'copy.json' }).once, 'failed');
  assert.match(detail('once', first, second, { ...first, file: 'copy.json' }), /1\.json and copy\.json hold the same/);
  const account = named(2, 1, { digest: 'other', session_id: 'session 1' });
  assert.equal(outcomes(first, account).once, 'failed');
  assert.match(detail('once', first, account), /1\.json and 2\.json are about one session/);
});

test('two claims with one predecessor are a fork, wherever they stand', () => {
  const fork = named(2, 1, { digest: 'other', session_id: 'other' });
  assert.equal(outcomes(named(2, 1), named(1, null), named(3, 2), fork).forks, 'failed');
  assert.match(detail('forks', named(2, 1), named(1, null), { ...fork, file: 'fork.json' }), /2\.json and fork\.json/);
});

test('a claim counts one more than the claim that it names', () => {
  for (const number of [1, 3, 7]) {
    const wrong = named(number, null, { previous: 'claim 1', digest: 'x', session_id: 'x' });
    assert.equal(outcomes(named(1, null), wrong).links, 'failed', String(number));
  }
});

test('a predecessor that was not handed over is a gap, which is said and refuses nothing', () => {
  assert.deepEqual(outcomes(named(1, null), named(3, 2)), { ...WHOLE, links: 'not checked' });
  assert.match(detail('links', named(1, null), named(3, 2), named(9, 8)), /claim 3 \(3\.json\).*claim 9 \(9\.json\)/);
});

test('files without a claim that can be read take no part', () => {
  const noise: NamedReport = { file: 'noise', report: reportWith(null) };
  assert.deepEqual(outcomes(noise, { ...noise, file: 'more' }, named(1, null), named(2, 1)), WHOLE);
});
