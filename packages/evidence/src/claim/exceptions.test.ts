import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalSorted, type JsonValue, type Report, stringifyJson, verify } from '../index.ts';
import { CATALOG_HASH, makeSession, newKey, POLICY_HASH, relink, seal } from '../testing/session.ts';
import type { CatalogException } from './exceptions.ts';

const key = await newKey();
const ITEM: CatalogException = {
  tool_name: 'restart',
  reason: 'INC-7',
  authorized_by: 'op, second',
  added_at: '2026-09-21T14:13:20+00:00',
};
const TEXT = canonicalSorted([ITEM]);

/** Of a session whose claim and whose session_start say this of exceptions, signed by a key that is trusted. */
async function reported(claimed: CatalogException[], committed: JsonValue | null, allow = false): Promise<Report> {
  const file = await makeSession(key);
  const [start] = file.bundle.entries;
  file.claim.gateway.catalog_exceptions = claimed;
  if (committed !== null) start?.detail && Object.assign(start.detail, { catalog_exceptions: committed });
  relink(file);
  await seal(file, key);
  return verify(stringifyJson(file), {
    keys: [{ x: key.x, source: 'given' }],
    acceptSoftware: true,
    policyHash: POLICY_HASH,
    catalogHash: CATALOG_HASH,
    allowExceptions: allow,
  });
}

const outcome = ({ checks }: Report, id: string) => checks.find((check) => check.id === id)?.outcome;

test('exceptions from the catalog keep a session from being verified, until they are allowed [W-31]', async () => {
  const told = await reported([ITEM], TEXT);
  assert.deepEqual([told.verdict, told.lacking], ['unverified', ['--allow-exceptions']]);
  const check = told.checks.find(({ id }) => id === 'catalog.exceptions');
  assert.match(check?.detail ?? '', /restart since 2026-09-21T14:13:20\+00:00 on the word of op, second \(INC-7\)/);
  const allowed = await reported([ITEM], TEXT, true);
  assert.deepEqual([allowed.verdict, allowed.relaxations], ['verified', ['--accept-software', '--allow-exceptions']]);
});

test('without any, nothing is asked and nothing is to be allowed', async () => {
  const plain = await reported([], null);
  assert.deepEqual([plain.verdict, outcome(plain, 'catalog.exceptions')], ['verified', undefined]);
});

test('a claim whose exceptions are not those of session_start is refused, whatever is allowed [D-36] [W-31]', async () => {
  const other = { ...ITEM, reason: 'nothing to see' };
  for (const [claimed, committed, id] of [
    [[], TEXT, 'catalog.exceptions'],
    [[other], TEXT, 'catalog.exceptions'],
    [[ITEM, ITEM], TEXT, 'catalog.exceptions'],
    [[ITEM], 'not JSON', 'catalog.exceptions'],
    [[ITEM], 7, 'catalog.exceptions'],
    [[], '[]', 'catalog.exceptions'],
    [[ITEM], canonicalSorted([{ ...ITEM, more: 'x' }]), 'catalog.exceptions'],
    [[ITEM], null, 'summary.unconfirmed'],
  ] as [CatalogException[], JsonValue, string][]) {
    const report = await reported(claimed, committed, true);
    assert.deepEqual([report.verdict, outcome(report, id)], ['refused', 'failed'], stringifyJson(committed));
  }
});
