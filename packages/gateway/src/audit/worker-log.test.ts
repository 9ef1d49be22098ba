import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt, randomUUID, verify } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import type { Worker } from 'node:worker_threads';
import { type AuditEntry, entryHash, parseJson, type SessionFile, statementPreimage } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import {
  appraise,
  callDraft,
  exposure,
  failures,
  intentOf,
  opening,
  RANKS,
  tempDir,
  VERSION,
} from './fixtures.test.ts';
import { openAuditLog } from './worker-log.ts';

const optionsOf = (dataDir: string) => ({ dataDir, ranks: RANKS, gatewayVersion: VERSION });

const code =
  (expected: string) =>
  (error: unknown): boolean =>
    error instanceof GatewayError && error.code === expected;

test('the log in its worker keeps all its promises to the caller [W-42]', async (t) => {
  const dataDir = tempDir(t);
  const log = await openAuditLog(optionsOf(dataDir));
  t.after(() => log.close());
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  await log.intent(intentOf(sessionId, 'c0'));
  const salt = { callId: 'c0', salt: new Uint8Array(16).fill(3) };
  const receipts = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      log.append(sessionId, callDraft(`c${i}`), i === 0 ? { salt, exposure: exposure() } : {}),
    ),
  );
  assert.deepEqual(
    receipts.map(({ sequence }) => sequence),
    Array.from({ length: 200 }, (_, i) => i + 1),
    'in the order in which they were asked',
  );
  assert.deepEqual(await log.exposures(), [exposure()]);
  assert.deepEqual(
    (await log.salts(sessionId)).map((one) => [one.callId, [...one.salt]]),
    [['c0', [...salt.salt]]],
  );
  await assert.rejects(log.append(randomUUID(), callDraft('x')), code('SESSION_UNKNOWN'));
  await assert.rejects(log.append(sessionId, callDraft('x', { latency_us: 0.5 })), code('INTERNAL_ERROR'));
  assert.equal(log.failure, null, 'a refused request is not a lost record');
  assert.equal((await appraise(await log.exportSession(sessionId), [log.publicKey])).verdict, 'verified');
  const { file, claim } = await log.closeSession(sessionId, 'client');
  assert.equal(claim.trace.cnf.jwk.x, log.publicKey);
  assert.equal((await appraise(file, [log.publicKey])).verdict, 'verified');
  assert.deepEqual(
    (await log.sessions()).map((row) => row.entries),
    [202],
  );
  assert.notEqual(await log.lastClaimHash(), null);
  await assert.rejects(openAuditLog(optionsOf(dataDir)), code('STORE_IN_USE'));
  await log.close();
  await log.close();
  await assert.rejects(log.sessions(), code('AUDIT_UNAVAILABLE'));
  const next = await openAuditLog(optionsOf(dataDir));
  assert.notEqual(next.publicKey, log.publicKey);
  await next.close();
});

test('a store that cannot be opened is said at once, by its code', async (t) => {
  const dataDir = tempDir(t);
  const db = new DatabaseSync(join(dataDir, 'audit.db'));
  db.exec('CREATE TABLE notes (text TEXT)');
  db.close();
  await assert.rejects(openAuditLog(optionsOf(dataDir)), code('STORE_INVALID'));
});

test('a start that recovery refuses gives the store up again', async (t) => {
  const dataDir = tempDir(t);
  const first = await openAuditLog(optionsOf(dataDir));
  await first.openSession(opening(randomUUID()));
  await first.close();
  const db = new DatabaseSync(join(dataDir, 'audit.db'));
  t.after(() => db.close());
  const body = db.prepare('SELECT body FROM entries').get()?.body ?? '';
  db.exec("UPDATE entries SET body = '[]'");
  await assert.rejects(openAuditLog(optionsOf(dataDir)), code('STORE_INVALID'));
  db.prepare('UPDATE entries SET body = ?').run(body);
  const next = await openAuditLog(optionsOf(dataDir));
  assert.equal(next.recovered[0]?.damage, null);
  await next.close();
});

test('a disk that refuses a commit ends the log [G20]', async (t) => {
  const dataDir = tempDir(t);
  const log = await openAuditLog(optionsOf(dataDir));
  t.after(() => log.close());
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  // Another writer takes the table away: the next commit cannot succeed.
  const db = new DatabaseSync(join(dataDir, 'audit.db'));
  db.exec('DROP TABLE entries');
  db.close();
  await assert.rejects(log.append(sessionId, callDraft('c1')), code('AUDIT_UNAVAILABLE'));
  assert.equal(log.failure?.code, 'AUDIT_UNAVAILABLE', 'known without asking again');
  await assert.rejects(log.append(sessionId, callDraft('c2')), code('AUDIT_UNAVAILABLE'));
});

test('a worker that dies takes the log with it: everything rejects, nothing hangs [G20]', async (t) => {
  const dataDir = tempDir(t);
  const started = (): Promise<Worker> => once(process, 'worker').then(([worker]) => worker);
  const [log, worker] = await Promise.all([openAuditLog(optionsOf(dataDir)), started()]);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  const asked = assert.rejects(log.append(sessionId, callDraft('c1')), code('AUDIT_UNAVAILABLE'));
  await worker.terminate();
  await asked;
  assert.equal(log.failure?.code, 'AUDIT_UNAVAILABLE');
  await assert.rejects(log.append(sessionId, callDraft('c2')), code('AUDIT_UNAVAILABLE'));
  await log.close();
  const early = assert.rejects(openAuditLog(optionsOf(dataDir)), code('AUDIT_UNAVAILABLE'));
  await (await started()).terminate();
  await early;
});

/** A process that opens a session and prints what was acknowledged, as it is, until it is killed. */
function appender(dataDir: string, sessionId: string): ChildProcess {
  const imports = ['./worker-log.ts', './fixtures.test.ts'].map((file) => new URL(file, import.meta.url).href);
  const script = `
    import { writeSync } from 'node:fs';
    const { openAuditLog } = await import(${JSON.stringify(imports[0])});
    const { callDraft, intentOf, opening, RANKS, VERSION } = await import(${JSON.stringify(imports[1])});
    const log = await openAuditLog({ dataDir: ${JSON.stringify(dataDir)}, ranks: RANKS, gatewayVersion: VERSION });
    const sessionId = ${JSON.stringify(sessionId)};
    const say = (line) => writeSync(1, JSON.stringify(line) + '\\n');
    say({ key: log.publicKey });
    say({ start: await log.openSession(opening(sessionId)) });
    let next = 0;
    const agent = async () => {
      for (;;) {
        const call = 'c' + next++;
        await log.intent(intentOf(sessionId, call));
        say({ intent: call });
        say({ call, receipt: await log.append(sessionId, callDraft(call)) });
      }
    };
    await Promise.all([agent(), agent(), agent(), agent()]);`;
  const file = join(dataDir, 'appender.mjs');
  writeFileSync(file, script);
  return spawn(process.execPath, ['--conditions=cmcp-source', file], { stdio: ['ignore', 'pipe', 'inherit'] });
}

interface Acknowledged {
  key: string;
  /** Entry hash by sequence. */
  entries: Map<number, string>;
  intents: string[];
}

/** Kills the process with SIGKILL after `lines` lines; what it had said by then was acknowledged. */
async function killAfter(child: ChildProcess, lines: number): Promise<Acknowledged> {
  const seen: Acknowledged = { key: '', entries: new Map(), intents: [] };
  assert.ok(child.stdout);
  const exited = once(child, 'exit');
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    const receipt = said.receipt ?? said.start;
    if (said.key) seen.key = said.key;
    if (said.intent) seen.intents.push(said.intent);
    if (receipt) seen.entries.set(receipt.sequence, receipt.entryHash);
    count += 1;
    if (count === lines) child.kill('SIGKILL');
  }
  await exited;
  return seen;
}

test('after kill -9 at any moment nothing that was acknowledged is missing [G20] [LIFE-11] [D-33] [W-13]', async (t) => {
  for (let round = 0; round < 4; round++) {
    const dataDir = tempDir(t);
    const sessionId = randomUUID();
    const seen = await killAfter(appender(dataDir, sessionId), randomInt(2, 120));
    const log = await openAuditLog(optionsOf(dataDir));
    t.after(() => log.close());
    const [found] = log.recovered;
    assert.deepEqual([found?.sessionId, found?.damage, found?.entriesRecovered], [sessionId, null, 0]);
    const file = parseJson(readFileSync(found?.file ?? '')) as unknown as SessionFile;
    const { entries } = file.bundle;
    for (const [sequence, hash] of seen.entries) assert.equal(entries[sequence]?.entry_hash, hash);
    const ended = new Set(entries.map((entry) => entry.call_id));
    for (const call of seen.intents) assert.ok(ended.has(call), `call ${call} has an entry`);
    assert.equal(entries.at(-1)?.entry_type, 'session_end');
    assert.deepEqual(failures(await appraise(file, [log.publicKey, seen.key])), []);
    await log.close();
  }
});

test('a store that is rewritten after kill -9 is never proven in its forged part [D-34] [G21]', async (t) => {
  const dataDir = tempDir(t);
  const sessionId = randomUUID();
  const seen = await killAfter(appender(dataDir, sessionId), 40);
  const db = new DatabaseSync(join(dataDir, 'audit.db'));
  const rows = db.prepare('SELECT id, body FROM entries ORDER BY id').all();
  const forgedFrom = 5;
  let previous = '';
  for (const [i, row] of rows.entries()) {
    const entry = parseJson(String(row.body)) as AuditEntry;
    if (i === forgedFrom) entry.tool_name = 'harmless';
    if (i >= forgedFrom) {
      if (i > forgedFrom) entry.prev_entry_hash = previous;
      entry.entry_hash = entryHash(entry);
      db.prepare('UPDATE entries SET body = ? WHERE id = ?').run(JSON.stringify(entry), row.id ?? 0);
    }
    previous = entry.entry_hash;
  }
  // The forger also deletes every checkpoint that contradicts: what is left covers at most the honest part.
  db.prepare("DELETE FROM checkpoints WHERE json_extract(body, '$.length') > ?").run(forgedFrom);
  db.close();
  const log = await openAuditLog(optionsOf(dataDir));
  t.after(() => log.close());
  const file = parseJson(readFileSync(log.recovered[0]?.file ?? '')) as unknown as SessionFile;
  for (const { key, length } of file.checkpoints) if (key === seen.key) assert.ok(length <= forgedFrom);
  assert.ok((log.recovered[0]?.entriesRecovered ?? 0) >= rows.length - forgedFrom);
  assert.notEqual((await appraise(file, [log.publicKey, seen.key])).verdict, 'verified');
});

test('the claim key signs a live statement under a label of its own, and nothing once the log is closed', async (t) => {
  const log = await openAuditLog(optionsOf(tempDir(t)));
  t.after(() => log.close());
  const statement = new Uint8Array(64).fill(9);
  const signature = Buffer.from(await log.signStatement(statement), 'base64url');
  const key = { key: { kty: 'OKP', crv: 'Ed25519', x: log.publicKey }, format: 'jwk' } as const;
  assert.ok(verify(null, statementPreimage(statement), key, signature));
  assert.ok(!verify(null, statement, key, signature));
  await log.close();
  await assert.rejects(log.signStatement(statement), code('AUDIT_UNAVAILABLE'));
});
