import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { type Expectations, type Report, verify } from '@cmcp/evidence';
import { deviceFailure, GeneratedPlatform } from '../../../../tests/support/generated-platform.ts';
import { Attestor } from '../attestation/attestor.ts';
import { GatewayError } from '../errors.ts';
import type { Attest } from './evidence.ts';
import {
  BUNDLE,
  CATALOG,
  callDraft,
  commitments,
  MemoryStore,
  RANKS,
  opening as softwareOpening,
  TestClock,
  tempDir,
  VERSION,
} from './fixtures.test.ts';
import { openAuditLogInProcess } from './in-process.ts';
import type { AuditLog } from './types.ts';

const platform = await GeneratedPlatform.create();
const other = await GeneratedPlatform.create();

async function attestOf(of: GeneratedPlatform, clock: TestClock): Promise<Attest> {
  return new Attestor(await of.open(), clock, 3_600_000).attest;
}

interface Setup {
  store: MemoryStore;
  clock: TestClock;
  open(of?: GeneratedPlatform | null): Promise<AuditLog>;
}

function setup(t: TestContext): Setup {
  const store = new MemoryStore();
  const clock = new TestClock();
  const dataDir = tempDir(t);
  const open = async (of: GeneratedPlatform | null = platform): Promise<AuditLog> => {
    store.closed = false;
    const attest = of === null ? {} : { attest: await attestOf(of, clock) };
    return openAuditLogInProcess({ dataDir, ranks: RANKS, gatewayVersion: VERSION, store, clock, ...attest });
  };
  return { store, clock, open };
}

const opening = (id: string) => softwareOpening(id, { detail: commitments({ trust_level: 'operator-root' }) });

const PINS: Expectations = {
  policyHash: BUNDLE,
  catalogHash: CATALOG,
  anchors: [platform.anchor],
  acceptOperatorRoot: true,
};
const outcome = (report: Report, id: string) => report.checks.find((check) => check.id === id)?.outcome;
const failed = (report: Report) =>
  report.checks.filter((check) => check.outcome === 'failed').map(({ id, detail }) => `${id}: ${detail}`);
const typesOf = async (store: MemoryStore, id: string) =>
  (await store.entries(id)).map(({ entry_type }) => entry_type as string);

test('a session may be used once its evidence is stored, and its claim and file carry it', async (t) => {
  const { store, open } = setup(t);
  const log = await open();
  const id = randomUUID();
  await log.openSession(opening(id));
  assert.deepEqual(await typesOf(store, id), ['session_start', 'attestation_refresh']);
  assert.equal((await store.evidence(id))?.platform, 'tpm2');
  const { claim, file } = await log.closeSession(id, 'client');
  assert.equal(claim.gateway.attestation_validity_seconds, 3600);
  assert.ok(claim.gateway.attestation_evidence?.raw_evidence);
  assert.equal(await store.evidence(id), null, 'kept with the claim from now on');
  const report = await verify(readFileSync(file), PINS);
  assert.deepEqual(failed(report), []);
  for (const check of ['hardware.key', 'hardware.chain', 'claim.nonce', 'file.read'])
    assert.equal(outcome(report, check), 'proven', check);
});

test('the entry names the evidence by its digest: other evidence has another', async (t) => {
  const { store, clock, open } = setup(t);
  const log = await open();
  const id = randomUUID();
  await log.openSession(opening(id));
  clock.micros += 1_000_000;
  await log.refreshEvidence(id);
  const digests = (await store.entries(id)).flatMap(({ detail }) => detail?.evidence_digest ?? []);
  assert.equal(digests.length, 2);
  assert.notEqual(digests[0], digests[1], 'signatures of the device differ');
});

test('a platform that fails at the opening leaves a closed session without evidence, claim or file [D-38]', async (t) => {
  const { store, open } = setup(t);
  const log = await open();
  const id = randomUUID();
  platform.failure = deviceFailure();
  t.after(() => {
    platform.failure = null;
  });
  await assert.rejects(log.openSession(opening(id)), { code: 'ATTESTATION_FAILED' });
  assert.deepEqual(await typesOf(store, id), ['session_start', 'session_end']);
  assert.equal(store.rows.sessions.get(id)?.closeReason, 'attestation_failed');
  assert.equal(await store.claim(id), null);
  await assert.rejects(log.append(id, callDraft('c')), { code: 'SESSION_UNKNOWN' });
});

test('no claim is made of a session that has no evidence yet', async (t) => {
  const { open } = setup(t);
  const log = await open();
  const gate = Promise.withResolvers<void>();
  platform.gate = gate.promise;
  const id = randomUUID();
  const opened = log.openSession(opening(id));
  await assert.rejects(log.exportSession(id), { code: 'SESSION_UNKNOWN' });
  platform.gate = null;
  gate.resolve();
  await opened;
  assert.equal((await log.exportSession(id)).claim.trace.runtime.platform, 'tpm2');
});

test('a renewal that fails changes nothing, and one for a session that is closed does nothing', async (t) => {
  const { store, open } = setup(t);
  const log = await open();
  const id = randomUUID();
  await log.openSession(opening(id));
  const before = await store.evidence(id);
  platform.failure = deviceFailure();
  await assert.rejects(log.refreshEvidence(id), { code: 'ATTESTATION_FAILED' });
  platform.failure = null;
  assert.deepEqual(await store.evidence(id), before);
  assert.deepEqual(await typesOf(store, id), ['session_start', 'attestation_refresh']);
  const gate = Promise.withResolvers<void>();
  platform.gate = gate.promise;
  const renewal = log.refreshEvidence(id);
  const closed = log.closeSession(id, 'client');
  await closed;
  platform.gate = null;
  gate.resolve();
  await renewal;
  assert.equal((await typesOf(store, id)).at(-1), 'session_end');
  await log.refreshEvidence(id);
  await log.refreshEvidence(randomUUID());
});

test('a recovered session is vouched for under the new key, and what the old key covered is proven by its own evidence', async (t) => {
  const { store, open } = setup(t);
  const id = randomUUID();
  const first = await open();
  await first.openSession(opening(id));
  await first.append(id, callDraft('one'));
  const next = await open();
  const { file } = next.recovered[0] ?? {};
  assert.ok(file);
  assert.deepEqual(await typesOf(store, id), [
    'session_start',
    'attestation_refresh',
    'tool_call',
    'recovered',
    'attestation_refresh',
    'session_end',
  ]);
  const report = await verify(readFileSync(file), PINS);
  assert.deepEqual(failed(report), []);
  assert.equal(outcome(report, 'hardware.key'), 'proven');
  assert.equal(outcome(report, 'hardware.earlier'), 'proven');
  assert.equal(outcome(report, 'file.read'), 'proven');
  const extent = report.checks.find((check) => check.id === 'chain.extent');
  assert.match(extent?.detail ?? '', /entries 0 to 2 are proven under the earlier key/);
  const trusted = await verify(readFileSync(file), { ...PINS, anchors: [] });
  assert.match(trusted.checks.find((check) => check.id === 'chain.extent')?.detail ?? '', /not pinned/);
});

test('a root that the relying party does not accept proves nothing of what was before a recovery', async (t) => {
  const { open } = setup(t);
  const id = randomUUID();
  await (await open()).openSession(opening(id));
  const { file } = (await open()).recovered[0] ?? {};
  const { acceptOperatorRoot: _, ...strict } = PINS;
  const report = await verify(readFileSync(file ?? ''), strict);
  assert.equal(outcome(report, 'hardware.earlier'), 'asserted');
  assert.match(report.checks.find((check) => check.id === 'chain.extent')?.detail ?? '', /not pinned/);
});

test('evidence of a machine that is not trusted proves nothing of what was before a recovery', async (t) => {
  const { open } = setup(t);
  const id = randomUUID();
  await (await open(other)).openSession(opening(id));
  const { file } = (await open()).recovered[0] ?? {};
  const report = await verify(readFileSync(file ?? ''), PINS);
  assert.notEqual(outcome(report, 'hardware.earlier'), 'proven');
  assert.match(report.checks.find((check) => check.id === 'chain.extent')?.detail ?? '', /not pinned/);
});

test('evidence of another session does not vouch for an earlier key [ATK-32]', async (t) => {
  const { store, open } = setup(t);
  const [id, foreign] = [randomUUID(), randomUUID()];
  const first = await open();
  await first.openSession(opening(id));
  await first.openSession(opening(foreign));
  const [own, stolen] = [await store.evidence(id), await store.evidence(foreign)];
  assert.ok(own && stolen);
  store.rows.evidence.set(id, stolen);
  const recovered = (await open()).recovered.find(({ sessionId }) => sessionId === id);
  const report = await verify(readFileSync(recovered?.file ?? ''), PINS);
  assert.equal(outcome(report, 'hardware.earlier'), 'failed');
  assert.equal(report.verdict, 'refused');
});

test('a log does not open when sessions are to be recovered and the platform gives nothing', async (t) => {
  const { open } = setup(t);
  await (await open()).openSession(opening(randomUUID()));
  platform.failure = deviceFailure();
  t.after(() => {
    platform.failure = null;
  });
  await assert.rejects(open(), (error) => error instanceof GatewayError && error.code === 'ATTESTATION_FAILED');
});
