import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../errors.ts';
import { anchorText, readAnchor } from '../anchor.ts';
import { callDraft, opening, RANKS, tempDir, VERSION } from '../fixtures.test.ts';
import { openAuditLogInProcess } from '../in-process.ts';
import { anchorSeal } from '../store-key.ts';
import type { AuditLog } from '../types.ts';
import { openSqliteStore } from './sqlite.ts';
import { readStoredAnchor, unverifiedAnchor } from './stored-anchor.ts';

const INDEX = 0x0180_0001;
const storeKey = new Uint8Array(randomBytes(32));
const seal = anchorSeal(storeKey);

function opened(dataDir: string): Promise<AuditLog> {
  const store = openSqliteStore(dataDir);
  return openAuditLogInProcess({ dataDir, ranks: RANKS, gatewayVersion: VERSION, store, storeKey });
}

const says = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === code && words.test(error.detail);

/** A store with one closed session, one open with three entries, and then the record of a counter. */
async function anchored(t: TestContext): Promise<{ dataDir: string; log: AuditLog; open: string; older: string }> {
  const dataDir = tempDir(t);
  const older = join(tempDir(t), 'older');
  const log = await opened(dataDir);
  const [closed, open] = [randomUUID(), randomUUID()];
  await log.openSession(opening(closed));
  await log.recordAnchor({ index: INDEX, value: '7' });
  cpSync(dataDir, older, { recursive: true });
  await log.closeSession(closed, 'client');
  await log.openSession(opening(open));
  for (const call of ['a', 'b']) await log.append(open, callDraft(call));
  await log.recordAnchor({ index: INDEX, value: '8' });
  return { dataDir, log, open, older };
}

function edit(dataDir: string, sql: string, ...values: string[]): void {
  const db = new DatabaseSync(join(dataDir, 'audit.db'));
  db.prepare(sql).run(...values);
  db.close();
}

test('a store says which counter it has, before it is opened and while it is', async (t) => {
  const { dataDir, log, open } = await anchored(t);
  const anchor = readStoredAnchor(dataDir, seal);
  assert.deepEqual([anchor?.index, anchor?.value, anchor?.state.claim?.number], [INDEX, '8', 1]);
  assert.deepEqual(
    anchor?.state.open.map(({ session, length }) => [session, length]),
    [[open, 3]],
  );
  await log.append(open, callDraft('c'));
  await log.close();
  assert.equal(readStoredAnchor(dataDir, seal)?.value, '8', 'what came later is no contradiction');
  const next = await opened(dataDir);
  await next.close();
  assert.equal(readStoredAnchor(dataDir, seal)?.value, '8', 'nor is what recovery adds');
});

test('no store, an empty one and one of schema version 1 have no counter', async (t) => {
  const dataDir = tempDir(t);
  assert.equal(readStoredAnchor(dataDir, seal), null);
  await (await opened(dataDir)).close();
  assert.deepEqual([readStoredAnchor(dataDir, seal), unverifiedAnchor(dataDir)], [null, null]);
  edit(dataDir, 'DROP TABLE standings');
  edit(dataDir, 'DROP TABLE anchor');
  edit(dataDir, 'DROP TABLE evidence');
  edit(dataDir, 'ALTER TABLE claims DROP COLUMN beside');
  edit(dataDir, 'PRAGMA user_version = 1');
  assert.equal(readStoredAnchor(dataDir, seal), null);
  const log = await opened(dataDir);
  await log.recordAnchor({ index: INDEX, value: null });
  await log.close();
  assert.equal(readStoredAnchor(dataDir, seal)?.value, null);
});

test('an older store with the record of the newest is found: it lacks what the record names [D-34] [G21] [ATK-34]', async (t) => {
  const { dataDir, log, older } = await anchored(t);
  await log.close();
  const from = new DatabaseSync(join(dataDir, 'audit.db'), { readOnly: true });
  const record = from.prepare('SELECT body, tag FROM anchor').get();
  from.close();
  edit(older, 'UPDATE anchor SET body = ?, tag = ?', String(record?.body), String(record?.tag));
  assert.throws(() => readStoredAnchor(older, seal), says('STORE_ROLLED_BACK', /lacks claim 1/));
});

test('an entry that was cut off or replaced, and a claim that was, are missed [D-34]', async (t) => {
  const edits: [string, RegExp][] = [
    ['DELETE FROM entries WHERE id = (SELECT max(id) FROM entries)', /lacks entry 2 of session/],
    ["UPDATE entries SET body = '{}' WHERE id = (SELECT max(id) FROM entries)", /lacks entry 2/],
    ["UPDATE entries SET body = 'no' WHERE id = (SELECT max(id) FROM entries)", /lacks entry 2/],
    ['DELETE FROM claims', /lacks claim 1/],
    ["UPDATE claims SET body = '{}'", /lacks claim 1/],
    ["UPDATE claims SET body = '7'", /lacks claim 1/],
  ];
  for (const [sql, words] of edits) {
    const { dataDir, log } = await anchored(t);
    await log.close();
    edit(dataDir, sql);
    assert.throws(() => readStoredAnchor(dataDir, seal), says('STORE_ROLLED_BACK', words), sql);
  }
});

test('a record is only written by who has the key of the store', async (t) => {
  const { dataDir, log } = await anchored(t);
  await log.close();
  const foreign = says('STORE_INVALID', /not written with the key of this store/);
  assert.throws(() => readStoredAnchor(dataDir, anchorSeal(randomBytes(32))), foreign);
  assert.deepEqual(unverifiedAnchor(dataDir)?.anchor?.value, '8');
  const path = new DatabaseSync(join(dataDir, 'audit.db'), { readOnly: true });
  const body = String(path.prepare('SELECT body FROM anchor').get()?.body);
  path.close();
  edit(dataDir, 'UPDATE anchor SET body = ?', body.replace('"value":"8"', '"value":"9"'));
  assert.throws(() => readStoredAnchor(dataDir, seal), foreign);
  edit(dataDir, 'UPDATE anchor SET body = ?, tag = ?', 'null', seal.tag('null'));
  assert.throws(() => readStoredAnchor(dataDir, seal), foreign);
  assert.deepEqual(unverifiedAnchor(dataDir), { anchor: null });
});

test('what is not a database is refused as that', (t) => {
  const dataDir = tempDir(t);
  cpSync(import.meta.filename, join(dataDir, 'audit.db'));
  assert.throws(() => readStoredAnchor(dataDir, seal), says('STORE_INVALID', /cannot be read/));
});

test('the text of a record is read back, and nothing else is', () => {
  const value = fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String));
  const claim = fc.option(fc.record({ number: fc.nat(), digest: fc.string() }));
  const open = fc.array(fc.record({ session: fc.uuid(), length: fc.nat(), tip: fc.string() }), { maxLength: 4 });
  const state = fc.record({ claim, open });
  fc.assert(
    fc.property(
      fc.record({ index: fc.nat(), value, state }).map((made) => structuredClone(made)),
      (anchor) => {
        const text = anchorText(anchor);
        assert.deepEqual(readAnchor(text), anchor);
        assert.equal(readAnchor(`${text} `), null);
      },
    ),
  );
  const whole = anchorText({ index: 1, value: '2', state: { claim: null, open: [] } });
  for (const [from, to] of [
    ['"cmcp_anchor":1', '"cmcp_anchor":2'],
    ['"value":"2"', '"value":2'],
    ['"value":"2"', '"value":"02"'],
    ['"value":"2"', '"value":"-2"'],
    ['"open":[]', '"open":{}'],
    ['"open":[]', '"open":[{}]'],
    ['"claim":null', '"claim":[]'],
    ['"index":1', '"index":"1"'],
    ['}', ',"more":1}'],
  ] as const) {
    const edited = whole.replace(from, to);
    assert.notEqual(edited, whole);
    assert.equal(readAnchor(edited), null, edited);
  }
  fc.assert(fc.property(fc.json(), (text) => readAnchor(text) === null));
  assert.equal(readAnchor('{'), null);
});
