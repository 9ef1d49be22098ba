import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { builtIn } from '../benchmarks/detection/built-in.ts';
import { type Corpus, openCorpus } from '../benchmarks/detection/corpus.ts';
import { knownCases, singleDisguises } from '../benchmarks/detection/disguises.ts';
import { measureBenign } from '../benchmarks/detection/injection.ts';
import { measurePersonal } from '../benchmarks/detection/personal.ts';
import { measureSecrets } from '../benchmarks/detection/secrets.ts';
import type { Share } from '../benchmarks/detection/shares.ts';

/** The figures to hold, on the part of the corpora that lies beside the repository; `npm run bench:detection` measures any part. */
const corpus = openCorpus(undefined);
const { subject } = builtIn();

function floor(title: string, holds: (corpus: Corpus) => void): void {
  test(title, (t: TestContext) => {
    if (corpus === null) return t.skip('the shared data sets are not beside this repository');
    holds(corpus);
  });
}

function atLeast({ share, count, of }: Share, least: number, what: string): void {
  assert.ok(share !== null && share >= least, `${what}: ${count} of ${of}`);
}

floor('of credentials by their literals 90 % are found, and 95 % of what a rule finds is one [DET-07]', (data) => {
  const { all, precision } = measureSecrets(data, subject);
  atLeast(all.recall, 0.9, 'recall');
  atLeast(precision, 0.95, 'precision');
});

floor('of e-mail addresses, social security numbers, IBANs and card numbers 95 % are found each [DET-06]', (data) => {
  const { types } = measurePersonal(data, subject);
  for (const type of ['EMAIL_ADDRESS', 'US_SSN', 'IBAN_CODE', 'CREDIT_CARD']) {
    const row = types.find((one) => one.type === type);
    assert.ok(row);
    atLeast(row.ours.recall, 0.95, type);
  }
});

floor(
  'of every type of personal data more is found, and more rightly, than simple patterns do [DET-03] [DET-06]',
  (data) => {
    const { types, all } = measurePersonal(data, subject);
    for (const { type, covered, ours, simple_patterns } of [{ ...all, covered: true }, ...types]) {
      const [own, simple] = [ours.f1 ?? 0, simple_patterns.f1 ?? 0];
      assert.ok(!covered || own > simple || own === 1, `${type}: ${own}, and ${simple} by simple patterns`);
    }
  },
);

test('every known trigger is found under every obfuscation [DET-01] [ATK-08] [ATK-09]', () => {
  const { known, unknown } = knownCases(subject);
  assert.ok(known.length >= unknown.length * 4, `known: ${known.length}, not: ${unknown.length}`);
  const missed = singleDisguises(subject).flatMap((row) => row.missed.map((trigger) => `${row.disguise}: ${trigger}`));
  assert.deepEqual(missed, []);
});

floor('at most 1 % of harmless prompts and contexts are said to give instructions [DET-02]', (data) => {
  const rows = measureBenign(data, subject).filter(({ path }) => path === 'all');
  assert.ok(rows.length > 0);
  for (const { dataset, false_positives: wrong, by_rule } of rows) {
    assert.ok((wrong.share ?? 1) <= 0.01, `${dataset}: ${wrong.count} of ${wrong.of}, ${JSON.stringify(by_rule)}`);
  }
});
