import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PassThrough } from 'node:stream';
import { after, before, type TestContext, test } from 'node:test';
import { type SessionFile, verify } from '@cmcp/evidence';
import { GatewayError, type StartedGateway } from '@cmcp/gateway';
import { callMeta, endSession } from './support/calls.ts';
import { type TestBed, withBed } from './support/gateway.ts';
import { closedFile, pins, sessionFile, sessionText } from './support/session-files.ts';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from './support/software-tpm.ts';

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

/** A bed whose gateways seal the store's key and count the store, with the TPM of this file. */
async function guarded(
  t: TestContext,
  run: (bed: TestBed, tpm: SoftwareTpm, config: string) => Promise<void>,
): Promise<void> {
  if (device === null) return t.skip(absent ?? 'no software TPM');
  const tpm = device;
  const config = `attestation: { provider: software-only, tpm: { address: "unix:${tpm.address.path}", seal: [0, 12], rollback_counter: true } }`;
  await withBed({ tools: [{ name: 'write' }], config }, (bed) => run(bed, tpm, config));
}

/** Starts, serves one call in a session that is closed, and stops. */
async function once(bed: TestBed): Promise<{ started: StartedGateway; session: string; file: SessionFile }> {
  const { gateway, started, url } = await bed.start();
  const client = await bed.client(url);
  const { session_id: session } = callMeta(await client.callTool({ name: 'write', arguments: {} }));
  await endSession(client);
  await closedFile(started, session);
  await gateway.stop();
  return { started, session, file: await sessionFile(started, session) };
}

const says = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === code && words.test(error.detail);

async function startRefused(bed: TestBed, code: string, words: RegExp): Promise<void> {
  const gateway = await bed.gateway();
  await assert.rejects(gateway.start(), says(code, words));
}

const committed = ({ bundle }: SessionFile) => bundle.entries[0]?.detail?.rollback_protection;

test('a store that was put back to an older copy is refused at start, and the newest is taken [D-34] [G21] [ATK-34]', (t) =>
  guarded(t, async (bed) => {
    const copy = join(bed.folder, 'copy');
    const newest = join(bed.folder, 'newest');
    const { file } = await once(bed);
    assert.equal(committed(file), 'tpm-nv');
    await cp(bed.dataDir, copy, { recursive: true });
    await once(bed);
    await cp(bed.dataDir, newest, { recursive: true });
    await rm(bed.dataDir, { recursive: true });
    await cp(copy, bed.dataDir, { recursive: true });
    await startRefused(
      bed,
      'STORE_ROLLED_BACK',
      /says that its counter stands at \d+, and .* stands at \d+.*newest copy/,
    );
    await rm(bed.dataDir, { recursive: true });
    await startRefused(bed, 'STORE_ROLLED_BACK', /knows of none/);
    await cp(newest, bed.dataDir, { recursive: true, force: true });
    await once(bed);
  }));

test('the key of the store is sealed: a restart of the machine opens it, another state of the machine does not [W-40]', (t) =>
  guarded(t, async (bed, tpm) => {
    await once(bed);
    const names = await readdir(bed.dataDir);
    assert.deepEqual([names.includes('store.sealed'), names.includes('salts.key')], [true, false]);
    tpm.run('tpm2_pcrextend', `12:sha256=${'ab'.repeat(32)}`);
    await startRefused(
      bed,
      'STORE_SEALED',
      /sealed to PCR 0, 12 .*changed is PCR 12 .*state in which the key was sealed/,
    );
    assert.equal(existsSync(join(bed.dataDir, 'salts.key')), false);
    tpm.restart();
    await once(bed);
  }));

test('a store without a guard says none, comes under it with its key and its sessions, and leaves it again', (t) =>
  guarded(t, async (bed, _tpm, config) => {
    await bed.writeConfig('');
    assert.equal(committed((await once(bed)).file), 'none');
    const key = await readFile(join(bed.dataDir, 'salts.key'));
    await bed.writeConfig(config);
    assert.equal(committed((await once(bed)).file), 'tpm-nv');
    await bed.reported('store.sealed');
    assert.equal(existsSync(join(bed.dataDir, 'salts.key')), false);
    await bed.writeConfig(config.replace('seal: [0, 12], rollback_counter: true', 'seal: null'));
    assert.equal(committed((await once(bed)).file), 'none');
    await bed.reported('store.unsealed');
    await bed.reported('store.not_counted');
    assert.deepEqual(await readFile(join(bed.dataDir, 'salts.key')), key);
  }));

test('each stdio gateway has a store and a counter of its own', (t) =>
  guarded(t, async (bed) => {
    const clients = await Promise.all([stdioGateway(bed), stdioGateway(bed)]);
    await Promise.all(clients.map((leave) => leave()));
    const indexes = ['0', '1'].map((slot) => counterOf(join(bed.dataDir, 'stdio', slot)));
    assert.equal(new Set(indexes).size, 2);
    assert.ok(indexes.every((index) => typeof index === 'number'));
    await (await stdioGateway(bed))();
  }));

/** A gateway that serves one client over stdio; gives what ends its input and waits for its end. */
async function stdioGateway(bed: TestBed): Promise<() => Promise<void>> {
  const gateway = await bed.gateway();
  const input = new PassThrough();
  const started = Promise.withResolvers<void>();
  const served = gateway.serveStdio(input, new PassThrough(), () => started.resolve());
  await Promise.race([started.promise, served]);
  return () => {
    input.end();
    return served;
  };
}

function counterOf(folder: string): unknown {
  const db = new DatabaseSync(join(folder, 'audit.db'), { readOnly: true });
  const row = db.prepare('SELECT body FROM anchor').get();
  db.close();
  return (JSON.parse(String(row?.body)) as { index: unknown }).index;
}

test('the verifier says of each session whether an older copy of its store would have been noticed', (t) =>
  guarded(t, async (bed) => {
    const asked = async ({ started, session }: { started: StartedGateway; session: string }) => {
      const report = await verify(await sessionText(started, session), pins(started));
      const check = report.checks.find(({ id }) => id === 'store.rollback');
      assert.deepEqual([check?.outcome, check?.required, report.verdict], ['asserted', false, 'verified']);
      return check?.detail;
    };
    assert.match((await asked(await once(bed))) ?? '', /^tpm-nv: a counter of the TPM anchors the store/);
    await bed.writeConfig('');
    await rm(bed.dataDir, { recursive: true });
    const none = 'none: a store that was put back to an older copy would not be noticed';
    assert.equal(await asked(await once(bed)), none);
  }));
