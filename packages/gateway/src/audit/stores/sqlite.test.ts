import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { promisify } from 'node:util';
import { GatewayError } from '../../errors.ts';
import { callDraft, exposure, intentOf, opening, RANKS, tempDir, VERSION } from '../fixtures.test.ts';
import { openAuditLogInProcess } from '../in-process.ts';
import type { AuditLog, AuditStore } from '../types.ts';
import { openSqliteStore } from './sqlite.ts';

const run = promisify(execFile);

const says =
  (code: string, pattern: RegExp) =>
  (error: unknown): boolean =>
    error instanceof GatewayError && error.code === code && pattern.test(error.detail);

const logOn = (dataDir: string, store: AuditStore): Promise<AuditLog> =>
  openAuditLogInProcess({ dataDir, ranks: RANKS, gatewayVersion: VERSION, store });

/** Opens the store in another process, and says with what error. */
async function otherProcess(dataDir: string): Promise<string> {
  const module = new URL('./sqlite.ts', import.meta.url).href;
  const script = `const { openSqliteStore } = await import(${JSON.stringify(module)});
    try { await openSqliteStore(${JSON.stringify(dataDir)}).close(); console.log('opened'); }
    catch (error) { console.log(error.code); }`;
  const args = ['--conditions=cmcp-source', '--input-type=module', '--eval', script];
  return (await run(process.execPath, args)).stdout.trim();
}

test('what was committed is there after the store was closed and opened again', async (t) => {
  const dataDir = tempDir(t);
  const log = await logOn(dataDir, openSqliteStore(dataDir));
  const [open, closed] = [randomUUID(), randomUUID()];
  await log.openSession(opening(closed));
  await log.append(closed, callDraft('c1'), {
    exposure: exposure({ rank: 1 }),
    salt: { callId: 'c1', salt: new Uint8Array(16) },
  });
  const { claim } = await log.closeSession(closed, 'operator');
  await log.openSession(opening(open, { kind: 'gateway' }));
  await log.intent(intentOf(open, 'c2'));
  await log.intent(intentOf(open, 'c3'));
  await log.append(open, callDraft('c3', { detail: { text: 'naïve \u{1f600} "quoted"' } }), {
    exposure: exposure({ subject: 'b', generation: 3 }),
  });
  await log.exportSession(open);
  await log.exportSession(open);
  await log.close();

  const store = openSqliteStore(dataDir);
  t.after(() => store.close());
  const [row] = await store.openSessions();
  assert.deepEqual([row?.sessionId, row?.kind, row?.state, row?.closeReason], [open, 'gateway', 'open', null]);
  assert.deepEqual(
    (await store.allSessions()).map((one) => [one.sessionId, one.state, one.closeReason, one.entries, one.claimNumber]),
    [
      [closed, 'closed', 'operator', 3, 1],
      [open, 'open', null, 2, null],
    ],
  );
  assert.deepEqual((await store.entries(open))[1]?.detail, { text: 'naïve \u{1f600} "quoted"' });
  assert.equal((await store.checkpoints(open)).at(-1)?.length, 2);
  assert.deepEqual(await store.intents(open), [intentOf(open, 'c2')]);
  assert.deepEqual(await store.exposures(), [exposure({ rank: 1 }), exposure({ subject: 'b', generation: 3 })]);
  assert.deepEqual((await store.claim(closed))?.claim, claim);
  assert.equal((await store.lastClaim())?.number, 3);
  assert.equal((await store.claim(open))?.number, 3, 'the claim of the latest export');
  assert.equal(await store.claim(randomUUID()), null);
  assert.equal((await store.salts(closed)).length, 1);
});

test('a long session is read whole, in order', async (t) => {
  const dataDir = tempDir(t);
  const store = openSqliteStore(dataDir);
  const log = await logOn(dataDir, store);
  t.after(() => log.close());
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  await Promise.all(Array.from({ length: 1200 }, (_, i) => log.append(sessionId, callDraft(`c${i}`))));
  const entries = await store.entries(sessionId);
  assert.deepEqual(
    entries.map((entry) => entry.sequence_number),
    Array.from({ length: 1201 }, (_, i) => i),
  );
});

test('a commit that fails in the middle leaves nothing behind [G20]', async (t) => {
  const store = openSqliteStore(tempDir(t));
  t.after(() => store.close());
  const sessionId = randomUUID();
  const batch = {
    sessions: [],
    intents: [intentOf(sessionId, 'once'), intentOf(sessionId, 'once')],
    settled: [],
    entries: [],
    checkpoints: [],
    exposures: [],
    salts: [],
    claims: [],
    evidence: [],
    anchor: null,
    standings: [],
  };
  await assert.rejects(store.commit(batch));
  assert.deepEqual(await store.intents(sessionId), []);
  await store.commit({ ...batch, intents: [intentOf(sessionId, 'once')] });
  assert.equal((await store.intents(sessionId)).length, 1, 'the next commit is not inside the failed one');
});

test('a commit is synced before it resolves: WAL with synchronous FULL [G20]', async (t) => {
  const dataDir = tempDir(t);
  const exec: string[] = [];
  const original = DatabaseSync.prototype.exec;
  t.mock.method(DatabaseSync.prototype, 'exec', function record(this: DatabaseSync, sql: string) {
    exec.push(sql);
    return original.call(this, sql);
  });
  const store = openSqliteStore(dataDir);
  t.after(() => store.close());
  assert.ok(exec.some((sql) => /journal_mode = WAL/.test(sql) && /synchronous = FULL/.test(sql)));
  const db = new DatabaseSync(join(dataDir, 'audit.db'), { readOnly: true });
  t.after(() => db.close());
  assert.equal(db.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal');
});

test("folder and files are the gateway's alone", async (t) => {
  const dataDir = join(tempDir(t), 'data');
  mkdirSync(dataDir, { mode: 0o755 });
  chmodSync(dataDir, 0o755);
  writeFileSync(join(dataDir, 'audit.db'), '', { mode: 0o644 });
  const log = await logOn(dataDir, openSqliteStore(dataDir));
  t.after(() => log.close());
  await log.openSession(opening(randomUUID()));
  const { file } = await log.closeSession((await log.sessions())[0]?.sessionId ?? '', 'client');
  assert.equal(statSync(dataDir).mode & 0o777, 0o700);
  assert.equal(statSync(join(dataDir, 'sessions')).mode & 0o777, 0o700);
  const files = readdirSync(dataDir).filter((name) => name !== 'sessions');
  assert.ok(files.includes('audit.db') && files.includes('audit.lock') && files.includes('salts.key'));
  for (const name of [...files.map((each) => join(dataDir, each)), file]) {
    assert.equal(statSync(name).mode & 0o777, 0o600, name);
  }
});

test('a second holder is refused, in this process and in another, until the first is gone [LIFE-11]', async (t) => {
  const dataDir = tempDir(t);
  const alias = join(tempDir(t), 'alias');
  symlinkSync(dataDir, alias);
  const store = openSqliteStore(dataDir);
  const refused = says('STORE_IN_USE', /audit\.lock/);
  assert.throws(() => openSqliteStore(dataDir), refused);
  assert.throws(() => openSqliteStore(alias), refused);
  assert.equal(await otherProcess(dataDir), 'STORE_IN_USE');
  assert.throws(() => openSqliteStore(dataDir), refused, 'a refused attempt does not give up the lock');
  await store.close();
  assert.equal(await otherProcess(dataDir), 'opened');
  await openSqliteStore(dataDir).close();
});

test('what is not a store is refused with a clear word, and the lock is free again', async (t) => {
  const dataDir = tempDir(t);
  const path = join(dataDir, 'audit.db');
  const refused = (pattern: RegExp): void => {
    assert.throws(() => openSqliteStore(dataDir), says('STORE_INVALID', pattern));
  };
  writeFileSync(path, 'this is no database, and long enough to be read as a header'.repeat(100));
  refused(/audit\.db cannot be opened/);
  writeFileSync(path, '');
  const other = new DatabaseSync(path);
  other.exec('CREATE TABLE notes (text TEXT)');
  refused(/is not an audit store/);
  other.exec('DROP TABLE notes; PRAGMA application_id = 0x634d4350; PRAGMA user_version = 99');
  other.close();
  refused(/schema version 99/);
  writeFileSync(join(dataDir, 'audit.lock'), 'not a database either'.repeat(100));
  refused(/audit\.lock/);
  const occupied = join(tempDir(t), 'file');
  writeFileSync(occupied, '');
  assert.throws(() => openSqliteStore(occupied), says('STORE_INVALID', /cannot be used/));
});

test('rows that are not what was written are refused when they are read', async (t) => {
  const dataDir = tempDir(t);
  const log = await logOn(dataDir, openSqliteStore(dataDir));
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  await log.intent(intentOf(sessionId, 'c1'));
  await log.close();
  const edits = [
    ['entries', '{"a":1,"a":2}'],
    ['entries', 'not json'],
    ['entries', '[]'],
    ['checkpoints', '7'],
    ['intents', '{}'],
    ['intents', '{"exposure":null}'],
  ];
  for (const [table, body] of edits) {
    const db = new DatabaseSync(join(dataDir, 'audit.db'));
    const before = db.prepare(`SELECT body FROM ${table}`).get()?.body ?? '';
    db.prepare(`UPDATE ${table} SET body = ?`).run(body ?? '');
    const store = openSqliteStore(dataDir);
    await assert.rejects(logOn(dataDir, store), says('STORE_INVALID', /in the audit store/), `${table} ${body}`);
    await store.close();
    db.prepare(`UPDATE ${table} SET body = ?`).run(before);
    db.close();
  }
  const store = openSqliteStore(dataDir);
  const next = await logOn(dataDir, store);
  assert.equal(next.recovered[0]?.unknownOutcomes, 1);
  await next.close();
});

test('a salt key that is none is refused, and a new one does not open old salts', async (t) => {
  const dataDir = tempDir(t);
  const store = openSqliteStore(dataDir);
  t.after(() => store.close());
  const log = await logOn(dataDir, store);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  await log.append(sessionId, callDraft('c'), { salt: { callId: 'c', salt: new Uint8Array(16) } });
  const key = join(dataDir, 'salts.key');
  writeFileSync(key, 'short');
  await assert.rejects(logOn(dataDir, store), says('STORE_INVALID', /salts\.key is not a key/));
  writeFileSync(key, new Uint8Array(32));
  const next = await logOn(dataDir, store);
  await assert.rejects(next.salts(sessionId), says('STORE_INVALID', /does not open/));
});
