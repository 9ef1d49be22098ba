import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import {
  type AgentIdentity,
  type AuditEntry,
  agentCommitment,
  type Checkpoint,
  checkpointPreimage,
  entryHash,
  type JsonObject,
  parseJson,
  type SessionFile,
} from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import {
  appraise,
  callDraft,
  commitments,
  exposure,
  failures,
  intentOf,
  MemoryStore,
  opening,
  RANKS,
  TestClock,
  tempDir,
  VERSION,
} from './fixtures.test.ts';
import { openAuditLogInProcess } from './in-process.ts';
import { examine } from './recovery.ts';
import { formatTimestamp } from './timestamp.ts';
import type { AuditLog, RecoveredSession } from './types.ts';

interface Crashed {
  store: MemoryStore;
  sessionId: string;
  oldKey: string;
  clock: TestClock;
  open(): Promise<AuditLog>;
}

/** A store whose holder died with one session open: session_start and five calls, each in a commit of its own. */
async function crashed(t: TestContext, detail: JsonObject = commitments()): Promise<Crashed> {
  const dataDir = tempDir(t);
  const store = new MemoryStore();
  const clock = new TestClock();
  const open = (): Promise<AuditLog> =>
    openAuditLogInProcess({ dataDir, ranks: RANKS, gatewayVersion: VERSION, store, clock });
  const log = await open();
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId, { detail }));
  for (let i = 0; i < 5; i++) await log.append(sessionId, callDraft(`call-${i}`));
  return { store, sessionId, oldKey: log.publicKey, clock, open };
}

async function recover({
  open,
}: Crashed): Promise<{ log: AuditLog; found: RecoveredSession; file: SessionFile | null }> {
  const log = await open();
  const [found] = log.recovered;
  assert.ok(found);
  const file = found.file === null ? null : (parseJson(readFileSync(found.file)) as unknown as SessionFile);
  return { log, found, file };
}

/** Changes an entry and recomputes every hash from there on, as whoever has the store but not the key can. */
function rewriteFrom(store: MemoryStore, at: number, change: (entry: AuditEntry) => unknown): void {
  let previous = '';
  for (const [i, { entry }] of store.rows.entries.entries()) {
    if (i === at) change(entry);
    if (i > at) entry.prev_entry_hash = previous;
    if (i >= at) entry.entry_hash = entryHash(entry);
    previous = entry.entry_hash;
  }
}

/** A checkpoint signed by a key that was never the gateway's. */
function foreignCheckpoint(unsigned: Omit<Checkpoint, 'key' | 'signature'>): Checkpoint {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const body = { ...unsigned, key: String(publicKey.export({ format: 'jwk' }).x) };
  const signature = sign(null, checkpointPreimage(body), privateKey).toString('base64url');
  return { ...body, signature } as Checkpoint;
}

function recoveredEntry(file: SessionFile | null): AuditEntry {
  const entry = file?.bundle.entries.find((candidate) => candidate.entry_type === 'recovered');
  assert.ok(entry);
  return entry;
}

test('a crash leaves nothing out: the session ends with a claim, and says where it was taken over [LIFE-11] [W-13]', async (t) => {
  const before = await crashed(t);
  before.clock.micros += 60_000_000;
  const takenOver = formatTimestamp(before.clock.micros);
  const { log, found, file } = await recover(before);
  assert.equal(
    file?.claim.gateway.attestation_generated_at,
    takenOver,
    'the new key attests nothing older than itself',
  );
  assert.deepEqual(
    { ...found, file: null },
    {
      sessionId: before.sessionId,
      kind: 'session',
      entriesRecovered: 0,
      unknownOutcomes: 0,
      damage: null,
      file: null,
    },
  );
  assert.deepEqual(
    file?.bundle.entries.map((entry) => entry.entry_type),
    ['session_start', 'tool_call', 'tool_call', 'tool_call', 'tool_call', 'tool_call', 'recovered', 'session_end'],
  );
  assert.deepEqual(recoveredEntry(file).detail, {
    checkpoint_length: 6,
    checkpoint_tip: file?.bundle.entries[5]?.entry_hash,
    checkpoint_key: before.oldKey,
    entries_recovered: 0,
  });
  assert.equal(file?.claim.trace.cnf.jwk.x, log.publicKey);
  assert.deepEqual(
    file?.checkpoints.map(({ key, length }) => [key, length]),
    [
      [before.oldKey, 6],
      [log.publicKey, 8],
    ],
    "the old key's last checkpoint travels with the new one",
  );
  assert.ok(file);
  const report = await appraise(file, [log.publicKey, before.oldKey]);
  assert.deepEqual(failures(report), []);
  assert.notEqual(report.verdict, 'verified', 'what a successor found is its word');
  assert.deepEqual(
    (await (await before.open()).sessions()).map((row) => row.state),
    ['closed'],
    'recovered once',
  );
});

const AGENT: AgentIdentity = {
  manifest_id: '018f4a3b-2c1d-7e5f-a8b9-0d1e2f3a4b5c',
  agent_id: 'spiffe://trust.example/agent',
  authenticated_subject: 'spiffe://trust.example/agent',
  subject_source: 'config',
  issuer: 'spiffe://trust.example/issuer',
  issuer_key_id: 'a'.repeat(64),
  policy_bundle_hash: `sha256:${'b'.repeat(64)}`,
  tool_catalog_hash: `sha256:${'c'.repeat(64)}`,
};

test('the claim of a recovered session names the agent that its session_start committed to [D-45]', async (t) => {
  const { file } = await recover(await crashed(t, { ...commitments(), ...agentCommitment(AGENT) }));
  assert.deepEqual(file?.claim.gateway.agent_identity, AGENT);
  const broken = await crashed(t, { ...commitments(), ...agentCommitment(AGENT) });
  rewriteFrom(broken.store, 0, ({ detail }) => delete detail?.manifest_issuer);
  const { file: none } = await recover(broken);
  assert.equal(none, null, 'half of an agent is none that a claim could name');
});

test('a call that had an intent and no entry is a fault with unknown outcome, and its exposure is raised [G20]', async (t) => {
  const before = await crashed(t);
  const { store, sessionId } = before;
  const seen = exposure({ class: 'confidential', rank: 2, lastCallMicros: 7 });
  store.rows.exposures.set('agent-a', exposure({ class: 'pii', rank: 1, lastCallMicros: 9 }));
  store.rows.intents.set('lost', intentOf(sessionId, 'lost', { exposure: seen, decision: 'advisory_deny' }));
  store.rows.intents.set('old', intentOf(sessionId, 'old', { exposure: { ...seen, subject: 'b', generation: 0 } }));
  store.rows.exposures.set('b', exposure({ subject: 'b', generation: 1 }));
  const higher = exposure({ subject: 'c', class: 'hipaa_phi', rank: 3 });
  store.rows.exposures.set('c', higher);
  store.rows.intents.set('low', intentOf(sessionId, 'low', { exposure: { ...seen, subject: 'c', lastCallMicros: 1 } }));
  const newer = exposure({ subject: 'd', generation: 2 });
  store.rows.exposures.set('d', exposure({ subject: 'd', class: 'hipaa_phi', rank: 3, generation: 1 }));
  store.rows.intents.set('new', intentOf(sessionId, 'new', { exposure: newer }));
  const { log, found, file } = await recover(before);
  assert.equal(found.unknownOutcomes, 4);
  const faults = file?.bundle.entries.filter((entry) => entry.entry_type === 'fault') ?? [];
  assert.deepEqual(
    faults.map((entry) => entry.call_id),
    ['lost', 'old', 'low', 'new'],
  );
  assert.deepEqual(faults[0]?.detail, {
    compliance_domain: 'external',
    decision: 'advisory_deny',
    error_code: 'OUTCOME_UNKNOWN',
  });
  assert.equal(faults[0]?.session_sensitivity_after, 'confidential');
  assert.equal(store.rows.intents.size, 0);
  const exposures = await log.exposures();
  assert.deepEqual(exposures, [
    exposure({ class: 'confidential', rank: 2, lastCallMicros: 9 }),
    // An operator reset this subject after the call: it raises nothing any more.
    exposure({ subject: 'b', generation: 1 }),
    // It never falls, except where the call belongs to a newer generation.
    higher,
    newer,
  ]);
  assert.deepEqual(exposures, await (await before.open()).exposures(), 'and durably so');
  assert.ok(file);
  assert.deepEqual(failures(await appraise(file, [log.publicKey])), []);
});

test('entries that no valid checkpoint covers are kept and never proven [D-34] [G21]', async (t) => {
  const before = await crashed(t);
  const { store } = before;
  // Whoever has the store rewrites the last calls, and throws away the checkpoints that would show it.
  rewriteFrom(store, 4, (entry) => {
    entry.policy_decision = 'deny';
  });
  store.rows.checkpoints = store.rows.checkpoints.filter((checkpoint) => checkpoint.length <= 4);
  const { log, found, file } = await recover(before);
  assert.equal(found.entriesRecovered, 2);
  assert.equal(recoveredEntry(file).detail?.checkpoint_length, 4);
  assert.ok(file);
  const report = await appraise(file, [log.publicKey, before.oldKey]);
  assert.deepEqual(failures(report), []);
  assert.notEqual(report.verdict, 'verified');
  const longest = Math.max(...file.checkpoints.filter(({ key }) => key === before.oldKey).map(({ length }) => length));
  assert.equal(longest, 4, 'the old key covers nothing of the forged part');
});

const tampering: Record<string, (store: MemoryStore) => void> = {
  'a changed entry': ({ rows }) => {
    const entry = rows.entries[2]?.entry;
    if (entry) entry.policy_decision = 'deny';
  },
  'a changed entry with recomputed hashes': (store) =>
    rewriteFrom(store, 2, (entry) => {
      entry.policy_decision = 'deny';
    }),
  'a deleted entry in the middle': ({ rows }) => void rows.entries.splice(2, 1),
  'a deleted first entry': ({ rows }) => void rows.entries.splice(0, 1),
  'a deleted tail': ({ rows }) => void rows.entries.splice(4),
  'a repeated entry': ({ rows }) => void rows.entries.splice(3, 0, ...rows.entries.slice(3, 4)),
  'two entries exchanged': ({ rows }) => void rows.entries.splice(2, 2, ...rows.entries.slice(2, 4).toReversed()),
  'an entry of a forked chain at the end': (store) => {
    const last = store.rows.entries.at(-1);
    if (last) store.rows.entries.push({ ...last, entry: { ...last.entry, sequence_number: 6 } });
    rewriteFrom(store, 5, (entry) => {
      entry.latency_us = 1;
    });
  },
  'a checkpoint of a foreign key': ({ rows }) => {
    const last = rows.entries.at(-1)?.entry;
    if (last)
      rows.checkpoints.push(foreignCheckpoint({ session_id: last.session_id, length: 6, tip: last.entry_hash }));
  },
  'a session_end without a claim': (store) =>
    rewriteFrom(store, 5, (entry) => {
      entry.entry_type = 'session_end';
    }),
};

for (const [what, tamper] of Object.entries(tampering)) {
  test(`${what} in the store is found, said, and never proven [D-34] [G21]`, async (t) => {
    const before = await crashed(t);
    tamper(before.store);
    const { log, found, file } = await recover(before);
    assert.notEqual(found.damage, null);
    const stored = before.store.rows.entries.filter(({ entry }) => entry.entry_type === 'recovered');
    assert.equal(stored.length, 1, 'what was stored is kept, and the take-over is entered behind it');
    assert.equal(stored[0]?.entry.detail?.damage, found.damage);
    if (file === null) return;
    const report = await appraise(file, [log.publicKey, before.oldKey]);
    assert.equal(report.verdict, 'refused');
    // Also without the confession: the chain itself, or a checkpoint that travels, shows it.
    assert.ok(await breaksBeside(file), 'chain or checkpoints contradict');
  });
}

test('a chain that lost its tail, or has two signers, is continued so that it shows [D-34]', async (t) => {
  const before = await crashed(t);
  const { store } = before;
  const tip = store.rows.entries.at(-1)?.entry.entry_hash;
  store.rows.entries.splice(4);
  const cut = recoveredEntry((await recover(before)).file);
  assert.deepEqual([cut.sequence_number, cut.prev_entry_hash], [6, tip], 'behind what the old key signed');
  const forked = await crashed(t);
  rewriteFrom(forked.store, 3, (entry) => {
    entry.latency_us = 1;
  });
  const signed = forked.store.rows.checkpoints.at(-1)?.tip;
  assert.equal(recoveredEntry((await recover(forked)).file).prev_entry_hash, signed);
  const edited = await crashed(t);
  tampering['a changed entry']?.(edited.store);
  assert.equal(
    recoveredEntry((await recover(edited)).file).detail?.checkpoint_length,
    2,
    'up to the break, no further',
  );
  const twice = await crashed(t);
  tampering['a checkpoint of a foreign key']?.(twice.store);
  assert.equal(recoveredEntry((await recover(twice)).file).detail?.checkpoint_length, 0);
});

const brokenLinks: Record<string, Partial<AuditEntry>> = {
  'skips a number': { sequence_number: 9 },
  'is of another session': { session_id: randomUUID() },
  'names another predecessor': { prev_entry_hash: 'f'.repeat(64) },
  'starts the session again': { entry_type: 'session_start' },
  'ends the session': { entry_type: 'session_end' },
};

for (const [what, change] of Object.entries(brokenLinks)) {
  test(`an entry that ${what} breaks the chain, whatever its hashes say [D-34]`, async (t) => {
    const { store, sessionId } = await crashed(t);
    rewriteFrom(store, 3, (entry) => Object.assign(entry, change));
    assert.match(String(examine(sessionId, await store.entries(sessionId), []).damage), /^stored entry 3 /);
  });
}

/** Whether hashes, links, sequence numbers or checkpoints of a file contradict one another. */
async function breaksBeside(file: SessionFile): Promise<boolean> {
  const { entries } = file.bundle;
  const chained = entries.every(
    (entry, i) =>
      entry.sequence_number === i &&
      entry.prev_entry_hash === (entries[i - 1]?.entry_hash ?? 'genesis') &&
      entryHash(entry) === entry.entry_hash &&
      (entry.entry_type !== 'session_end' || i === entries.length - 1),
  );
  const covered = file.checkpoints.every(({ length, tip }) => entries[length - 1]?.entry_hash === tip);
  const oldKeys = new Set(file.checkpoints.map(({ key }) => key)).size - 1;
  return !chained || !covered || oldKeys > 1;
}

test('where session_start is gone or commits to nothing, there is no claim, and the session still ends', async (t) => {
  for (const detail of [null, {}, commitments({ mode: 'lenient' })]) {
    const before = await crashed(t);
    rewriteFrom(before.store, 0, (entry) => {
      entry.detail = detail;
    });
    const { found } = await recover(before);
    assert.equal(found.file, null);
    assert.deepEqual(
      (await (await before.open()).sessions()).map((row) => [row.state, row.claimNumber]),
      [['closed', null]],
    );
  }
  const before = await crashed(t);
  before.store.rows.entries = [];
  const { found } = await recover(before);
  assert.equal(found.file, null);
  assert.equal(found.damage, 'the store has no entry of this session');
});

test('checkpoints that say nothing are passed over: wrong signature, form, length, session', async (t) => {
  const before = await crashed(t);
  const { store } = before;
  const last = store.rows.checkpoints.at(-1);
  assert.ok(last);
  const { signature: _, ...body } = last;
  const elsewhere = foreignCheckpoint({ session_id: randomUUID(), length: 6, tip: last.tip });
  // Before the valid ones, so that they are looked at.
  store.rows.checkpoints.unshift(
    { ...last, signature: 'A'.repeat(86) },
    { ...last, signature: 'not base64url!' },
    { ...last, length: 2 },
    { ...last, key: 'AAAA' },
    { ...last, key: 5 as never },
    { ...body, signature: null as never } as Checkpoint,
    foreignCheckpoint({ session_id: last.session_id, length: 'six' as never, tip: last.tip }),
    foreignCheckpoint({ session_id: last.session_id, length: Number.MAX_SAFE_INTEGER, tip: last.tip }),
  );
  const entries = await store.entries(last.session_id);
  assert.equal(
    examine(last.session_id, entries, [elsewhere]).covering,
    null,
    'a checkpoint counts for its own session',
  );
  const { found, file } = await recover(before);
  assert.equal(found.damage, null);
  assert.equal(recoveredEntry(file).detail?.checkpoint_length, 6);
});

test('rows that are no entries or intents stop the start with a clear word', async (t) => {
  const broken: ((store: MemoryStore, sessionId: string) => void)[] = [
    ({ rows }) => {
      const entry = rows.entries[1]?.entry;
      if (entry) entry.entry_hash = 'x';
    },
    ({ rows }, sessionId) => void rows.intents.set('i', intentOf(sessionId, 'i', { draft: {} as never })),
    ({ rows }, sessionId) => {
      const session = rows.sessions.get(sessionId);
      if (session) rows.sessions.set('../x', { ...session, sessionId: '../x' });
    },
  ];
  for (const damage of broken) {
    const before = await crashed(t);
    damage(before.store, before.sessionId);
    await assert.rejects(before.open(), (error) => error instanceof GatewayError && error.code === 'STORE_INVALID');
  }
});

test('the gateway chain is recovered like a session, with a claim of no calls [LIFE-11]', async (t) => {
  const dataDir = tempDir(t);
  const store = new MemoryStore();
  const open = (): Promise<AuditLog> =>
    openAuditLogInProcess({ dataDir, ranks: RANKS, gatewayVersion: VERSION, store });
  const chain = opening(randomUUID(), { kind: 'gateway', subject: 'gateway', callerSource: 'gateway' });
  await (await open()).openSession(chain);
  const log = await open();
  assert.equal(log.recovered[0]?.kind, 'gateway');
  assert.equal(store.rows.claims[0]?.claim.gateway.call_summary.tool_calls_total, 0);
});
