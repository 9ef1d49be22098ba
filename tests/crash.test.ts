import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type AuditEntry, entryHash, type JsonObject } from '@cmcp/evidence';
import { callMeta, refused } from './support/calls.ts';
import { startProcess } from './support/cli.ts';
import { type TestBed, type TestTool, withBed } from './support/gateway.ts';
import { callEntries, sessionFile, verifyStored } from './support/session-files.ts';

const TOOLS: TestTool[] = [{ name: 'write' }, { name: 'customers', catalog: { sensitivity: 'pii', effects: 'read' } }];

const onBed = (run: (bed: TestBed) => Promise<void>): Promise<void> => withBed({ tools: TOOLS }, run);

test('after kill -9 nothing that was answered is missing, and a call in flight is marked unknown [G20] [D-33] [W-13] [LIFE-11]', () =>
  onBed(async (bed) => {
    const first = await startProcess(bed.configFile, bed.folder);
    const client = await bed.client(new URL(first.started.url ?? ''));
    const answered: string[] = [];
    let session = '';
    for (let n = 0; n < 5; n += 1) {
      const meta = callMeta(await client.callTool({ name: 'write', arguments: { n: String(n) } }));
      answered.push(meta.call_id);
      session = meta.session_id;
    }
    const reached = Promise.withResolvers<void>();
    bed.server.answer = () => {
      reached.resolve();
      return new Promise(() => undefined);
    };
    // The client may wait for longer than the test: what becomes of its promise is its own affair.
    client.callTool({ name: 'write', arguments: {} }).catch(() => undefined);
    await reached.promise;
    await first.kill();
    const second = await startProcess(bed.configFile, bed.folder);
    await second.stop();
    const entries = await callEntries(second.started, session);
    assert.deepEqual(
      entries.slice(0, 5).map((entry) => entry.call_id),
      answered,
    );
    assert.equal(entries.length, 6);
    assert.equal(entries[5]?.entry_type, 'fault');
    assert.equal(entries[5]?.detail?.error_code, 'OUTCOME_UNKNOWN');
    const report = await verifyStored(second.started, session);
    assert.equal(report.verdict, 'unverified', 'consistent, but signed in part by a key that is gone');
    assert.deepEqual(
      report.checks.filter((check) => check.outcome === 'failed'),
      [],
    );
  }));

/** Changes one stored entry and recomputes every hash after it: what an attacker with the store but not the key can do. */
function forge(store: string, session: string): void {
  const db = new DatabaseSync(store);
  const rows = db.prepare('SELECT id, body FROM entries WHERE session_id = ? ORDER BY id').all(session);
  let previous: string | null = null;
  for (const row of rows) {
    const entry = JSON.parse(String(row.body)) as AuditEntry;
    if (previous !== null) entry.prev_entry_hash = previous;
    if (entry.entry_type === 'tool_call') entry.policy_decision = 'deny';
    entry.entry_hash = entryHash(entry as JsonObject);
    previous = entry.entry_hash;
    db.prepare('UPDATE entries SET body = ? WHERE id = ?').run(JSON.stringify(entry), Number(row.id));
  }
  db.close();
}

test('a store rewritten with recomputed hashes is never proven after a restart [D-34] [G21] [ATK-34]', () =>
  onBed(async (bed) => {
    const first = await startProcess(bed.configFile, bed.folder);
    const client = await bed.client(new URL(first.started.url ?? ''));
    const { session_id } = callMeta(await client.callTool({ name: 'write', arguments: {} }));
    await first.kill();
    const [store] = (await readdir(bed.dataDir)).filter(
      (name) => /\.(db|sqlite)$/.test(name) && !name.includes('lock'),
    );
    forge(join(bed.dataDir, store ?? ''), session_id);
    const second = await startProcess(bed.configFile, bed.folder);
    await second.stop();
    const { bundle } = await sessionFile(second.started, session_id);
    const recovered = bundle.entries.find((entry) => entry.entry_type === 'recovered');
    assert.ok(Number(recovered?.detail?.entries_recovered) > 0, 'entries that no checkpoint covers are counted');
    const report = await verifyStored(second.started, session_id);
    assert.notEqual(report.verdict, 'verified');
    const chain = report.checks.filter((check) => check.id.startsWith('recovery') || check.id.startsWith('checkpoint'));
    assert.ok(
      chain.every((check) => check.outcome !== 'proven'),
      JSON.stringify(chain),
    );
  }));

test('two gateways on one store: the second is refused while the first lives, not after it was killed', () =>
  onBed(async (bed) => {
    const first = await startProcess(bed.configFile, bed.folder);
    await assert.rejects(startProcess(bed.configFile, bed.folder), /STORE_IN_USE/);
    await first.kill();
    const second = await startProcess(bed.configFile, bed.folder);
    await second.stop();
  }));

test('exposure survives kill -9, also of a call whose answer never came', () =>
  onBed(async (bed) => {
    await bed.writePolicies({
      'allow.cedar': 'permit (principal, action in Action::"call_tool", resource);',
      'forbid.cedar':
        'forbid (principal, action == Action::"write", resource) when { context.session.max_class_rank >= 1 };',
    });
    const first = await startProcess(bed.configFile, bed.folder);
    const reading = await bed.client(new URL(first.started.url ?? ''));
    await reading.callTool({ name: 'customers', arguments: {} });
    await first.kill();
    const second = await startProcess(bed.configFile, bed.folder);
    const client = await bed.client(new URL(second.started.url ?? ''));
    assert.equal((await refused(client.callTool({ name: 'write', arguments: {} }))).data.error_code, 'POLICY_DENY');
    await second.stop();
  }));

test('SIGTERM closes open sessions with a claim that verifies [LIFE-11] [W-13]', () =>
  onBed(async (bed) => {
    const running = await startProcess(bed.configFile, bed.folder);
    const client = await bed.client(new URL(running.started.url ?? ''));
    const { session_id } = callMeta(await client.callTool({ name: 'write', arguments: {} }));
    await running.stop();
    assert.equal((await verifyStored(running.started, session_id)).verdict, 'verified');
    assert.equal((await verifyStored(running.started, running.started.gatewaySession)).verdict, 'verified');
  }));

test('claims are numbered and linked across restarts [D-33] [G15]', () =>
  onBed(async (bed) => {
    const numbers: number[] = [];
    for (let run = 0; run < 2; run += 1) {
      const running = await startProcess(bed.configFile, bed.folder);
      const client = await bed.client(new URL(running.started.url ?? ''));
      const { session_id } = callMeta(await client.callTool({ name: 'write', arguments: {} }));
      await running.stop();
      const { claim } = await sessionFile(running.started, session_id);
      numbers.push(claim.gateway.sequence_number);
      assert.equal(claim.gateway.prev_claim_hash === undefined, numbers.length === 1);
    }
    assert.deepEqual(
      [...numbers].sort((a, b) => a - b),
      numbers,
    );
    assert.notEqual(numbers[0], numbers[1]);
  }));
