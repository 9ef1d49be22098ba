import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { after, before, type TestContext, test } from 'node:test';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../tests/support/software-tpm.ts';
import { callDraft, opening, RANKS, tempDir, VERSION } from '../audit/fixtures.test.ts';
import { openAuditLogInProcess } from '../audit/in-process.ts';
import { openSqliteStore } from '../audit/stores/sqlite.ts';
import type { AuditLog } from '../audit/types.ts';
import { GatewayError } from '../errors.ts';
import { systemTimers } from '../timers.ts';
import { type GuardedLog, openGuardedLog, type StoreGuardGiven } from './store-guard.ts';
import type { Tpm, TpmCommands } from './tpm/api.ts';
import { TpmError } from './tpm/error.ts';
import { openTpm } from './tpm/tpm.ts';

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

/** What a test opens logs with, and what was reported. */
interface Bench {
  tpm: () => Tpm;
  dataDir: string;
  reports: string[];
  open: (more?: Partial<StoreGuardGiven>) => Promise<GuardedLog>;
}

function bench(t: TestContext): Bench | null {
  if (device === null) {
    t.skip(absent ?? 'no software TPM');
    return null;
  }
  const { address } = device;
  const tpm = () => openTpm(address);
  const dataDir = join(tempDir(t), 'data');
  const reports: string[] = [];
  const report = (event: string, detail: string) => void reports.push(`${event} ${detail}`);
  const base = { dataDir, seal: null, rollbackCounter: false, timers: systemTimers, report };
  return {
    tpm,
    dataDir,
    reports,
    open: (more = {}) => {
      const given = { ...base, tpm: tpm(), ...more };
      return openGuardedLog(given, (storeKey) => inProcess(given.dataDir, storeKey));
    },
  };
}

async function inProcess(dataDir: string, storeKey: Uint8Array | null): Promise<AuditLog> {
  const store = openSqliteStore(dataDir);
  const options = { dataDir, ranks: RANKS, gatewayVersion: VERSION, store };
  try {
    return await openAuditLogInProcess({ ...options, ...(storeKey && { storeKey }) });
  } catch (error) {
    await store.close();
    throw error;
  }
}

const SALT = new Uint8Array(16).fill(9);

/** A session with one call, closed. */
async function used({ log }: GuardedLog): Promise<string> {
  const session = randomUUID();
  await log.openSession(opening(session));
  await log.append(session, callDraft('c'), { salt: { callId: 'c', salt: SALT } });
  await log.closeSession(session, 'client');
  return session;
}

async function saltsOpen({ log }: GuardedLog, session: string): Promise<void> {
  assert.deepEqual(await log.salts(session), [{ callId: 'c', salt: Buffer.from(SALT) }]);
}

const says = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === code && words.test(error.detail);

const extend = (tpm: Tpm, index: number) =>
  tpm.run((commands) => commands.pcrExtend(index, { sha256: new Uint8Array(randomBytes(32)) }));

/** A copy of a store that nobody has open, and what puts it back. */
function copyOf(t: TestContext, dataDir: string): () => void {
  const copy = join(tempDir(t), 'copy');
  cpSync(dataDir, copy, { recursive: true });
  return () => {
    rmSync(dataDir, { recursive: true });
    cpSync(copy, dataDir, { recursive: true });
  };
}

function edit(dataDir: string, sql: string): void {
  const db = new DatabaseSync(join(dataDir, 'audit.db'));
  db.exec(sql);
  db.close();
}

test('a new key is made sealed and never lies in a file; after a change of a register the store does not open', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const first = await at.open({ seal: [12] });
  assert.equal(first.rollbackProtection, 'none');
  const session = await used(first);
  await first.log.close();
  assert.equal(existsSync(join(at.dataDir, 'salts.key')), false);
  assert.equal(statSync(join(at.dataDir, 'store.sealed')).mode & 0o777, 0o600);
  assert.match(at.reports.join('\n'), /^store\.sealed .* made and sealed, to PCR 12$/);
  const again = await at.open({ seal: [12] });
  await saltsOpen(again, session);
  await again.log.close();
  await extend(at.tpm(), 12);
  await assert.rejects(
    at.open({ seal: [12] }),
    says(
      'STORE_SEALED',
      /store\.sealed\): it is sealed to PCR 12 .*changed is PCR 12.*state in which the key was sealed.*move .* away/,
    ),
  );
  assert.equal(existsSync(join(at.dataDir, 'salts.key')), false, 'no second key is made');
  renameSync(join(at.dataDir, 'store.sealed'), join(at.dataDir, 'old'));
  const fresh = await at.open({ seal: [12] });
  await assert.rejects(fresh.log.salts(session), says('STORE_INVALID', /does not open with this key/));
  await fresh.log.close();
});

test('a key that lay in a file is adopted, and its file goes once the TPM has given it back', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const plain = await at.open();
  const session = await used(plain);
  await plain.log.close();
  const key = readFileSync(join(at.dataDir, 'salts.key'));
  assert.deepEqual(at.reports, []);
  const forgetful = (commands: TpmCommands) => ({ ...commands, unseal: async () => new Uint8Array(32) });
  const tpm = at.tpm();
  const bad: Tpm = { run: (work) => tpm.run((commands) => work(forgetful(commands))), close: () => tpm.close() };
  await assert.rejects(at.open({ seal: [0], tpm: bad }), says('STORE_SEALED', /gave back something else/));
  assert.deepEqual(readFileSync(join(at.dataDir, 'salts.key')), key);
  assert.equal(existsSync(join(at.dataDir, 'store.sealed')), false);
  const sealed = await at.open({ seal: [0] });
  await saltsOpen(sealed, session);
  await sealed.log.close();
  assert.equal(existsSync(join(at.dataDir, 'salts.key')), false);
  assert.equal(readFileSync(join(at.dataDir, 'store.sealed')).includes(key.toString('hex')), false);
  assert.match(at.reports.join('\n'), /adopted and sealed, to PCR 0\n.*salts\.key was removed/);
});

test('a stop between sealing and removing leaves two files of one key, which is in order; two keys are not', async (t) => {
  const at = bench(t);
  if (at === null) return;
  await (await at.open()).log.close();
  const path = join(at.dataDir, 'salts.key');
  const key = readFileSync(path);
  await (await at.open({ seal: [0] })).log.close();
  writeFileSync(path, key);
  await (await at.open({ seal: [0] })).log.close();
  assert.equal(existsSync(path), false);
  writeFileSync(path, randomBytes(32));
  await assert.rejects(at.open({ seal: [0] }), says('STORE_INVALID', /hold different keys/));
  await assert.rejects(at.open(), says('STORE_INVALID', /hold different keys/));
});

test('without the setting the key lies in its file again, and other registers seal it anew', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const first = await at.open({ seal: [0, 2] });
  const session = await used(first);
  await first.log.close();
  const other = await at.open({ seal: [7] });
  await saltsOpen(other, session);
  await other.log.close();
  const { registers } = JSON.parse(readFileSync(join(at.dataDir, 'store.sealed'), 'utf8')) as { registers: object };
  assert.deepEqual(Object.keys(registers), ['7']);
  const plain = await at.open();
  await saltsOpen(plain, session);
  await plain.log.close();
  assert.equal(existsSync(join(at.dataDir, 'store.sealed')), false);
  assert.equal(statSync(join(at.dataDir, 'salts.key')).mode & 0o777, 0o600);
  assert.match(at.reports.join('\n'), /made and sealed, to PCR 0, 2\n.*sealed anew, to PCR 7\nstore\.unsealed /);
});

test('a sealed key that was altered, or to be sealed to nothing, is refused', async (t) => {
  const at = bench(t);
  if (at === null) return;
  await assert.rejects(at.open({ seal: [] }), says('CONFIG_INVALID', /names no register/));
  await (await at.open({ seal: [0] })).log.close();
  writeFileSync(join(at.dataDir, 'store.sealed'), '{}');
  await assert.rejects(at.open({ seal: [0] }), says('STORE_INVALID', /not a sealed key, or was altered/));
});

test('a store that was restored to an older state is found at the next start, before anything is written to it [D-34] [G21]', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const counted = { rollbackCounter: true };
  const first = await at.open(counted);
  assert.equal(first.rollbackProtection, 'tpm-nv');
  await used(first);
  await first.log.close();
  const restore = copyOf(t, at.dataDir);
  await (await at.open(counted)).log.close();
  restore();
  const before = readFileSync(join(at.dataDir, 'audit.db'));
  await assert.rejects(
    at.open(counted),
    says('STORE_ROLLED_BACK', /data: the store says that its counter stands at \d+, .* stands at \d+/),
  );
  assert.deepEqual(readFileSync(join(at.dataDir, 'audit.db')), before);
});

test('so is one of which only the database was restored, and one whose record was carried over or edited', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const counted = { rollbackCounter: true };
  await (await at.open(counted)).log.close();
  const restore = copyOf(t, at.dataDir);
  const next = await at.open(counted);
  await used(next);
  await next.log.close();
  const db = new DatabaseSync(join(at.dataDir, 'audit.db'), { readOnly: true });
  const { body, tag } = db.prepare('SELECT body, tag FROM anchor').get() ?? {};
  db.close();
  restore();
  await assert.rejects(at.open(counted), says('STORE_ROLLED_BACK', /stands at/));
  edit(at.dataDir, `UPDATE anchor SET body = '${body}'`);
  await assert.rejects(at.open(counted), says('STORE_INVALID', /not written with the key of this store/));
  edit(at.dataDir, `UPDATE anchor SET tag = '${tag}'`);
  await assert.rejects(at.open(counted), says('STORE_ROLLED_BACK', /lacks claim 1/));
  edit(at.dataDir, 'DELETE FROM anchor');
  await assert.rejects(at.open(counted), says('STORE_ROLLED_BACK', /knows of none/));
  rmSync(at.dataDir, { recursive: true });
  await assert.rejects(
    at.open(counted),
    says('STORE_ROLLED_BACK', /knows of none: it was emptied.*tpm2_nvundefine -C o 0x01/),
  );
});

test('an operator goes on with an older copy by starting once without the counter, and the store says so', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const counted = { rollbackCounter: true };
  await (await at.open(counted)).log.close();
  const restore = copyOf(t, at.dataDir);
  await (await at.open(counted)).log.close();
  restore();
  await assert.rejects(
    at.open(counted),
    says('STORE_ROLLED_BACK', /start once with `attestation\.tpm\.rollback_counter: false`/),
  );
  const without = await at.open();
  assert.equal(without.rollbackProtection, 'none');
  await without.log.close();
  assert.match(at.reports.join('\n'), /^store\.not_counted .* was not compared with its counter/);
  await (await at.open()).log.close();
  assert.equal(at.reports.length, 1, 'once');
  await (await at.open(counted)).log.close();
  await (await at.open(counted)).log.close();
  restore();
  await assert.rejects(at.open(counted), says('STORE_ROLLED_BACK', /stands at/));
});

test('a key that is lost with its register state is replaced in the same way', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const guarded = { rollbackCounter: true, seal: [11] };
  await (await at.open(guarded)).log.close();
  await extend(at.tpm(), 11);
  renameSync(join(at.dataDir, 'store.sealed'), join(at.dataDir, 'old'));
  await assert.rejects(
    at.open(guarded),
    says('STORE_INVALID', /start once with `attestation\.tpm\.rollback_counter: false`/),
  );
  rmSync(join(at.dataDir, 'store.sealed'));
  await (await at.open({ seal: [11] })).log.close();
  const again = await at.open(guarded);
  assert.equal(again.rollbackProtection, 'tpm-nv');
  await again.log.close();
});

test('each store has a counter of its own, which goes with it when its folder moves', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const counted = { rollbackCounter: true };
  const [a, b, moved] = ['a', 'b', 'moved'].map((name) => join(at.dataDir, name)) as [string, string, string];
  const one = await at.open({ ...counted, dataDir: a });
  const other = await at.open({ ...counted, dataDir: b });
  for (const { log } of [one, other, one]) await log.sessions();
  await one.log.close();
  await other.log.close();
  for (const dataDir of [a, b, a]) await (await at.open({ ...counted, dataDir })).log.close();
  renameSync(a, moved);
  await (await at.open({ ...counted, dataDir: moved })).log.close();
  await assert.rejects(at.open({ ...counted, dataDir: a }), says('STORE_ROLLED_BACK', /knows of none/));
});

test('two copies of a store in use at once contradict each other, and who notices says so', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const counted = { rollbackCounter: true };
  const clone = join(tempDir(t), 'clone');
  const original = await at.open(counted);
  cpSync(at.dataDir, clone, { recursive: true });
  const copy = await at.open({ ...counted, dataDir: clone });
  await original.log.close();
  assert.match(at.reports.join('\n'), /^store\.not_counted .*another copy of it was in use since/);
  await copy.log.close();
  await assert.rejects(at.open(counted), says('STORE_ROLLED_BACK', /another copy/));
  await (await at.open({ ...counted, dataDir: clone })).log.close();
});

test('a TPM that is away keeps a counted or sealed store closed, and takes no part in any other', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const away = () => openTpm({ kind: 'unix', path: join(at.dataDir, 'nowhere') });
  await (await at.open({ tpm: away() })).log.close();
  await assert.rejects(at.open({ rollbackCounter: true, tpm: away() }), says('ATTESTATION_UNAVAILABLE', /nowhere/));
  await assert.rejects(at.open({ seal: [0], tpm: away() }), says('STORE_SEALED', /nowhere/));
  await (await at.open({ seal: [0] })).log.close();
  await assert.rejects(at.open({ tpm: away() }), says('STORE_SEALED', /nowhere/));
  assert.deepEqual(
    at.reports.filter((line) => line.startsWith('store.unsealed')),
    [],
  );
});

test('a counter that cannot be advanced at start is no start, and the store is free again', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const tpm = at.tpm();
  const worn: Tpm = {
    run: (work) =>
      tpm.run((commands) => {
        const nvIncrement = async () => {
          throw new TpmError('refused', 'worn out');
        };
        return work({ ...commands, nvIncrement });
      }),
    close: () => tpm.close(),
  };
  await assert.rejects(at.open({ rollbackCounter: true, tpm: worn }), says('ATTESTATION_UNAVAILABLE', /worn out/));
  await (await at.open({ rollbackCounter: true })).log.close();
});

test('who comes second to a store is told that it is in use, also before its log is open', async (t) => {
  const at = bench(t);
  if (at === null) return;
  const first = await at.open({ rollbackCounter: true });
  await assert.rejects(at.open({ rollbackCounter: true }), says('STORE_IN_USE', /audit\.lock/));
  const opened = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const given = { seal: [0], rollbackCounter: false, timers: systemTimers, report: () => {}, tpm: at.tpm() };
  const dataDir = join(at.dataDir, 'other');
  const slow = openGuardedLog({ ...given, dataDir }, async (key) => {
    opened.resolve();
    await go.promise;
    return inProcess(dataDir, key);
  });
  await opened.promise;
  await assert.rejects(at.open({ dataDir, seal: [0] }), says('STORE_IN_USE', /guard\.lock/));
  go.resolve();
  await (await slow).log.close();
  await first.log.close();
});

/** A process that opens the store under the counter and writes until it is killed. Prints a line per entry that is durable. */
function writer(dataDir: string, socket: string): ChildProcess {
  const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `(async () => {
    const { openGuardedLog } = await import(${here('./store-guard.ts')});
    const { openTpm } = await import(${here('./tpm/tpm.ts')});
    const { openAuditLog } = await import(${here('../audit/worker-log.ts')});
    const { callDraft, opening, RANKS, VERSION } = await import(${here('../audit/fixtures.test.ts')});
    const { randomUUID } = await import('node:crypto');
    const dataDir = ${JSON.stringify(dataDir)};
    // Every wait is cut to a moment, so that the counter is advanced all the time.
    const timers = { after: (ms, run) => { const timer = setTimeout(run, ms / 6000); return () => clearTimeout(timer); }, every: () => () => {} };
    const { log } = await openGuardedLog(
      { dataDir, seal: [0], rollbackCounter: true, tpm: openTpm({ kind: 'unix', path: ${JSON.stringify(socket)} }), timers, report: (...said) => console.log('said', ...said) },
      (storeKey) => openAuditLog({ dataDir, ranks: RANKS, gatewayVersion: VERSION, storeKey }),
    );
    const session = randomUUID();
    await log.openSession(opening(session));
    for (let n = 0; ; n += 1) { await log.append(session, callDraft('c' + n)); console.log('entry'); } })();`;
  const args = ['--conditions=cmcp-source', '-e', script];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function recoversOne({ log }: GuardedLog): Promise<void> {
  assert.equal(log.recovered.length, 1);
  await log.close();
}

test('after kill -9 at any moment the store is the newest, and every copy from before that run is not', async (t) => {
  const at = bench(t);
  if (at === null || device === null) return;
  const guarded = { rollbackCounter: true, seal: [0] };
  await (await at.open(guarded)).log.close();
  for (let round = 0; round < 2; round += 1) {
    const restore = copyOf(t, at.dataDir);
    const child = writer(at.dataDir, device.address.path);
    assert.ok(child.stdout);
    const ended = once(child, 'exit');
    let left = randomInt(1, 400);
    for await (const line of createInterface(child.stdout)) {
      assert.equal(line, 'entry');
      left -= 1;
      if (left === 0) child.kill('SIGKILL');
    }
    await ended;
    if (round % 2 === 0) {
      const crashed = copyOf(t, at.dataDir);
      restore();
      await assert.rejects(at.open(guarded), says('STORE_ROLLED_BACK', /stands at/));
      crashed();
    }
    await recoversOne(await at.open(guarded));
  }
});
