import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import {
  claimDigest,
  type EntryDraft,
  entryHash,
  type GatewayClaim,
  parseJson,
  type SessionFile,
} from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { blankEntry } from './blank.ts';
import {
  appraise,
  callDraft,
  commitments,
  exposure,
  intentOf,
  MemoryStore,
  opening,
  RANKS,
  TestClock,
  tempDir,
  VERSION,
} from './fixtures.test.ts';
import { openAuditLogInProcess } from './in-process.ts';
import { openSessionFiles } from './session-files.ts';
import type { AuditLog } from './types.ts';

interface Bench {
  log: AuditLog;
  store: MemoryStore;
  clock: TestClock;
  dataDir: string;
  /** The same store after the process died. */
  reopen(): Promise<AuditLog>;
}

async function bench(t: TestContext): Promise<Bench> {
  const dataDir = tempDir(t);
  const store = new MemoryStore();
  const clock = new TestClock();
  const reopen = (): Promise<AuditLog> => {
    store.closed = false;
    return openAuditLogInProcess({ dataDir, ranks: RANKS, gatewayVersion: VERSION, store, clock });
  };
  return { log: await reopen(), store, clock, dataDir, reopen };
}

const code =
  (expected: string) =>
  (error: unknown): boolean =>
    error instanceof GatewayError && error.code === expected;

/** Lets every promise that can settle do so. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
}

test('nothing resolves before the sync that contains it has succeeded [G20] [D-33]', async (t) => {
  const { log, store } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  store.manual = true;
  const done: string[] = [];
  const note = (name: string) => () => void done.push(name);
  const asked = [
    log.append(sessionId, callDraft('c1')).then(note('append')),
    log.intent(intentOf(sessionId, 'c2')).then(note('intent')),
    log.openSession(opening(randomUUID())).then(note('open')),
  ];
  await settle();
  assert.equal(store.syncs.length, 2, 'what is asked in one turn shares one sync');
  assert.deepEqual(done, []);
  store.syncs[1]?.succeed();
  await Promise.all(asked);
  assert.deepEqual(done.toSorted(), ['append', 'intent', 'open']);
});

test('what is asked while a commit runs goes, together, into the next one [W-42]', async (t) => {
  const { log, store } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  store.manual = true;
  const first = log.append(sessionId, callDraft('c0'));
  await settle();
  const later = [1, 2, 3].map((n) => log.append(sessionId, callDraft(`c${n}`)));
  await settle();
  assert.equal(store.syncs.length, 2, 'one commit at a time');
  store.syncs[1]?.succeed();
  await first;
  await settle();
  assert.equal(store.syncs.length, 3);
  assert.deepEqual(
    store.syncs[2]?.batch.entries.map(({ entry }) => entry.call_id),
    ['c1', 'c2', 'c3'],
  );
  assert.equal(store.syncs[2]?.batch.checkpoints.length, 1, 'one checkpoint per commit and session');
  store.syncs[2]?.succeed();
  const receipts = await Promise.all(later);
  assert.deepEqual(
    receipts.map((receipt) => receipt.sequence),
    [2, 3, 4],
  );
});

test('a failed sync rejects what it held and everything after it, for good [G20]', async (t) => {
  const { log, store } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  store.manual = true;
  const held = log.append(sessionId, callDraft('c1'));
  const heldRejects = assert.rejects(held, code('AUDIT_UNAVAILABLE'));
  await settle();
  const waiting = assert.rejects(log.append(sessionId, callDraft('c2')), code('AUDIT_UNAVAILABLE'));
  store.syncs[1]?.fail(new Error('disk full'));
  await heldRejects;
  await waiting;
  store.manual = false;
  const later = [
    log.append(sessionId, callDraft('c3')),
    log.intent(intentOf(sessionId, 'c4')),
    log.openSession(opening(randomUUID())),
    log.closeSession(sessionId, 'client'),
    log.exportSession(sessionId),
    log.sessions(),
    log.exposures(),
    log.salts(sessionId),
    log.lastClaimHash(),
  ];
  for (const promise of later) await assert.rejects(promise, code('AUDIT_UNAVAILABLE'));
  assert.equal(store.rows.claims.length, 0);
  await log.close();
  assert.ok(store.closed, 'the store is released all the same');
});

test('a session of every kind of entry verifies, and its receipts name its entries [W-14] [EU-12]', async (t) => {
  const { log, store } = await bench(t);
  const sessionId = randomUUID();
  const start = await log.openSession(opening(sessionId));
  const drafts: EntryDraft[] = [
    callDraft('1'),
    callDraft('2', { policy_decision: 'deny', tool_name: 'nope', effective_data_class: null, detail: null }),
    callDraft('3', { policy_decision: 'advisory_deny', session_sensitivity_after: 'confidential' }),
    callDraft('4', { policy_decision: 'step_up', session_sensitivity_after: 'pii' }),
    callDraft('5', { policy_decision: 'defer' }),
    callDraft('6', { policy_decision: 'redact', detail: { compliance_domain: 'pii' } }),
    callDraft('7', { entry_type: 'egress_denied', policy_decision: 'deny' }),
    callDraft('8', { entry_type: 'fault', policy_decision: 'fault' }),
    { ...blankEntry('mcp_request', 'prompts/get'), policy_decision: 'deny' },
    { ...blankEntry('catalog_drift', 'catalog_drift'), detail: { tool: 'echo' } },
  ];
  const receipts = await Promise.all(drafts.map((draft) => log.append(sessionId, draft)));
  const { claim, file } = await log.closeSession(sessionId, 'client');
  const entries = await store.entries(sessionId);
  assert.equal(entries[0]?.entry_hash, start.entryHash);
  for (const [i, receipt] of receipts.entries()) {
    assert.equal(receipt.sequence, i + 1);
    assert.equal(entries[i + 1]?.entry_hash, receipt.entryHash);
    assert.equal(entries[i + 1]?.call_id, drafts[i]?.call_id);
  }
  for (const entry of entries) assert.equal(entryHash(entry), entry.entry_hash);
  assert.deepEqual(entries.at(-1)?.detail, { reason: 'client' });
  const summary = claim.gateway.call_summary;
  assert.deepEqual(
    [summary.tool_calls_total, summary.tool_calls_allowed, summary.tool_calls_denied, summary.tool_calls_faulted],
    [8, 3, 4, 1],
  );
  assert.deepEqual(summary.tools_invoked, ['echo', 'nope']);
  assert.equal(summary.session_max_sensitivity, 'confidential');
  assert.deepEqual(summary.call_graph_summary.compliance_domains_touched, ['external', 'pii', 'unknown']);
  assert.equal(claim.gateway.catalog.drift_detected, true);
  assert.equal((await appraise(file, [log.publicKey])).verdict, 'verified');
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('a claim has the edges between domains, observed and temporal, also where a successor closes it [G22] [L-09]', async (t) => {
  const { log, reopen } = await bench(t);
  const graphOf = ({ gateway }: GatewayClaim) => gateway.call_summary.call_graph_summary;
  const started = async (): Promise<string> => {
    const sessionId = randomUUID();
    await log.openSession(opening(sessionId));
    await log.append(sessionId, callDraft('1', { tool_name: 'ehr', detail: { compliance_domain: 'hipaa_phi' } }));
    const flow = { tools: ['ehr'], domains: ['hipaa_phi'], complete: 1 };
    await log.append(sessionId, callDraft('2', { tool_name: 'post', flow }));
    return sessionId;
  };
  const { claim, file } = await log.closeSession(await started(), 'client');
  const edge = {
    from_domain: 'hipaa_phi',
    to_domain: 'external',
    call_id: '2',
    tool_name: 'post',
    sequence_number: 2,
    decision: 'allow',
  };
  const events = [
    { ...edge, basis: 'observed' },
    { ...edge, basis: 'temporal' },
  ];
  assert.deepEqual(graphOf(claim).cross_boundary_events, events);
  assert.match(graphOf(claim).edges_represent ?? '', /no evidence that data moved/);
  assert.equal((await appraise(file, [log.publicKey])).verdict, 'verified');
  await started();
  const [found] = (await reopen()).recovered;
  const later = parseJson(readFileSync(found?.file ?? '')) as unknown as SessionFile;
  assert.deepEqual(graphOf(later.claim).cross_boundary_events, events);
});

test('advisory mode keeps the same entries, but for the decision [G19]', async (t) => {
  const { log, store } = await bench(t);
  const run = async (mode: string, decision: EntryDraft['policy_decision']): Promise<Set<string>> => {
    const sessionId = randomUUID();
    await log.openSession(opening(sessionId, { detail: commitments({ mode }) }));
    await log.append(sessionId, callDraft(randomUUID(), { policy_decision: decision }));
    const { claim } = await log.closeSession(sessionId, 'client');
    assert.equal(claim.gateway.call_summary.tool_calls_total, 1);
    return new Set((await store.entries(sessionId)).map((entry) => entry.entry_type));
  };
  const enforcing = await run('enforcing', 'deny');
  assert.deepEqual(await run('advisory', 'advisory_deny'), enforcing);
  assert.deepEqual(await run('silent', 'advisory_deny'), enforcing);
});

test('claims are numbered and linked across restarts [W-13] [D-33]', async (t) => {
  const { log, store, reopen } = await bench(t);
  assert.equal(await log.lastClaimHash(), null);
  const closeOne = async (of: AuditLog): Promise<string> => {
    const sessionId = randomUUID();
    await of.openSession(opening(sessionId));
    const { claim } = await of.closeSession(sessionId, 'client');
    assert.equal(await of.lastClaimHash(), claimDigest(claim));
    return claimDigest(claim);
  };
  await closeOne(log);
  await closeOne(log);
  await log.close();
  const next = await reopen();
  await closeOne(next);
  assert.deepEqual(
    store.rows.claims.map(({ claim }) => claim.gateway.sequence_number),
    [1, 2, 3],
  );
  const [first, second, third] = store.rows.claims.map(({ claim }) => claim);
  assert.ok(first && second && third);
  assert.equal(first.gateway.prev_claim_hash, undefined);
  assert.equal(second.gateway.prev_claim_hash, claimDigest(first));
  assert.equal(third.gateway.prev_claim_hash, claimDigest(second));
  assert.notEqual(third.trace.cnf.jwk.x, second.trace.cnf.jwk.x, 'each process has a key of its own');
});

test('closing twice gives the same claim and file, also after a restart', async (t) => {
  const { log, reopen } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  const [one, two] = await Promise.all([
    log.closeSession(sessionId, 'client'),
    log.closeSession(sessionId, 'operator'),
  ]);
  assert.deepEqual(one, two);
  assert.deepEqual(await log.closeSession(sessionId, 'idle'), one);
  const before = readFileSync(one.file);
  rmSync(one.file);
  await log.close();
  const next = await reopen();
  assert.deepEqual(await next.closeSession(sessionId, 'client'), one);
  assert.deepEqual(readFileSync(one.file), before, 'the file can be made again from the store');
});

test('an open session exports with a claim for the moment, and goes on', async (t) => {
  const { log, store } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  await log.append(sessionId, callDraft('c1'));
  const [file] = await Promise.all([log.exportSession(sessionId), log.append(sessionId, callDraft('c2'))]);
  assert.equal(file.bundle.entries.length, 2);
  assert.equal(file.claim.gateway.audit_chain.length, 2);
  assert.equal((await appraise(file, [log.publicKey])).verdict, 'verified');
  const { claim } = await log.closeSession(sessionId, 'client');
  assert.equal(claim.gateway.prev_claim_hash, claimDigest(file.claim), 'every claim that was signed is in the one row');
  assert.deepEqual((await log.exportSession(sessionId)).claim, claim);
  const lengths = store.rows.checkpoints.map((checkpoint) => checkpoint.length);
  assert.deepEqual(lengths, [...new Set(lengths)], 'no length is signed twice');
});

test('a session that is being closed exports as it will be', async (t) => {
  const { log } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  const [{ claim }, file] = await Promise.all([log.closeSession(sessionId, 'client'), log.exportSession(sessionId)]);
  assert.deepEqual(file.claim, claim);
});

test('a closed or unknown session takes nothing, and a closing one loses nothing', async (t) => {
  const { log, store } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  const last = log.append(sessionId, callDraft('c1'));
  const closing = log.closeSession(sessionId, 'client');
  await assert.rejects(log.append(sessionId, callDraft('c2')), code('SESSION_UNKNOWN'));
  await assert.rejects(log.intent(intentOf(sessionId, 'c3')), code('SESSION_UNKNOWN'));
  await Promise.all([last, closing]);
  const types = (await store.entries(sessionId)).map((entry) => entry.entry_type);
  assert.deepEqual(types, ['session_start', 'tool_call', 'session_end']);
  await assert.rejects(log.closeSession(randomUUID(), 'client'), code('SESSION_UNKNOWN'));
  await assert.rejects(log.exportSession(randomUUID()), code('SESSION_UNKNOWN'));
});

test('an intent that no entry settled by the close becomes a fault [D-12] [W-09]', async (t) => {
  const { log, store } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  await log.intent(intentOf(sessionId, 'settled'));
  await log.append(sessionId, callDraft('settled'));
  await log.intent(intentOf(sessionId, 'open', { exposure: exposure({ class: 'pii', rank: 1, lastCallMicros: 9 }) }));
  const { claim, file } = await log.closeSession(sessionId, 'shutdown');
  const fault = (await store.entries(sessionId)).find((entry) => entry.entry_type === 'fault');
  assert.equal(fault?.call_id, 'open');
  assert.equal(fault?.detail?.error_code, 'OUTCOME_UNKNOWN');
  assert.equal(fault?.session_sensitivity_after, 'pii');
  assert.equal(claim.gateway.call_summary.tool_calls_faulted, 1);
  assert.equal(claim.gateway.call_summary.tool_calls_total, 2);
  assert.equal(store.rows.intents.size, 0);
  assert.deepEqual(await log.exposures(), [exposure({ class: 'pii', rank: 1, lastCallMicros: 9 })]);
  assert.equal((await appraise(file, [log.publicKey])).verdict, 'verified');
});

test('time in a chain never runs backwards, whatever the clock does [D-33]', async (t) => {
  const { log, store, clock } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  clock.micros -= 3_600_000_000;
  await log.append(sessionId, callDraft('c1'));
  const { file } = await log.closeSession(sessionId, 'client');
  const times = (await store.entries(sessionId)).map((entry) => entry.timestamp_utc);
  assert.deepEqual(times, times.toSorted());
  assert.equal((await appraise(file, [log.publicKey])).verdict, 'verified');
});

test('what an entry must not hold is refused, and the log serves on', async (t) => {
  const { log } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  const { flow: _, ...incomplete } = callDraft('x');
  const refused: EntryDraft[] = [
    callDraft('c', { latency_us: 1.5 }),
    callDraft('c', { detail: { on: true } }),
    callDraft('c', { detail: { when: new Date() as never } }),
    callDraft('c', { workflow_id: '\ud800' }),
    callDraft('c', { detail: { '\udc00': 1 } }),
    callDraft('c', { tool_name: 'naïve' }),
    callDraft('c', { tool_name: null }),
    callDraft('c', { call_id: null }),
    callDraft('c', { policy_decision: 'n/a' }),
    callDraft('c', { detail: JSON.parse(`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`) }),
    incomplete as EntryDraft,
  ];
  for (const draft of refused) await assert.rejects(log.append(sessionId, draft), code('INTERNAL_ERROR'));
  const [draft = callDraft('c')] = refused;
  await assert.rejects(log.intent(intentOf(sessionId, 'i', { name: '\ud800' })), code('INTERNAL_ERROR'));
  await assert.rejects(log.intent(intentOf(sessionId, 'i', { draft })), code('INTERNAL_ERROR'));
  await log.intent(intentOf(sessionId, 'i'));
  await assert.rejects(log.intent(intentOf(sessionId, 'i')), code('INTERNAL_ERROR'));
  await assert.rejects(log.openSession(opening('../../etc/passwd')), code('INTERNAL_ERROR'));
  await assert.rejects(log.openSession(opening(sessionId)), code('INTERNAL_ERROR'));
  const details = [{}, commitments({ mode: 'lenient' }), commitments({ note: 'naïve' }), commitments({ on: true })];
  for (const detail of details) {
    await assert.rejects(log.openSession(opening(randomUUID(), { detail })), code('INTERNAL_ERROR'));
  }
  assert.equal((await log.append(sessionId, callDraft('c'))).sequence, 1);
});

test('salts are stored sealed, and open only for their call', async (t) => {
  const { log, store } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  const salt = new Uint8Array(16).fill(7);
  await log.append(sessionId, callDraft('c1'), { salt: { callId: 'c1', salt } });
  const [row] = store.rows.salts;
  assert.ok(row);
  assert.equal(Buffer.from(row.sealed).includes(Buffer.from(salt)), false);
  assert.deepEqual(
    (await log.salts(sessionId)).map((found) => [found.callId, [...found.salt]]),
    [['c1', [...salt]]],
  );
  row.callId = 'c2';
  await assert.rejects(log.salts(sessionId), code('STORE_INVALID'));
  row.sealed = row.sealed.subarray(0, 5);
  await assert.rejects(log.salts(sessionId), code('STORE_INVALID'));
});

test('a crash between claim and file leaves the file to the next start [LIFE-11]', async (t) => {
  const { log, dataDir, reopen } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  const { file } = await log.closeSession(sessionId, 'client');
  const whole = readFileSync(file);
  // As it was just after the commit: announced, not written.
  rmSync(file);
  const sessions = join(dataDir, 'sessions');
  openSessionFiles(dataDir).announce(sessionId);
  openSessionFiles(dataDir).announce(randomUUID());
  writeFileSync(join(sessions, '.cmcp.json.part'), 'not ours');
  await reopen();
  rmSync(join(sessions, '.cmcp.json.part'));
  assert.deepEqual(readFileSync(file), whole);
  assert.deepEqual(readdirSync(sessions), [`${sessionId}.cmcp.json`], 'a mark without a claim is taken away');
});

test('a session file has no place but its folder', async (t) => {
  const files = openSessionFiles(tempDir(t));
  for (const id of ['../x', '', '.', 'a/b', 'x'.repeat(65)]) {
    assert.throws(() => files.announce(id), code('INTERNAL_ERROR'));
    assert.throws(() => files.discard(id), code('INTERNAL_ERROR'));
  }
});

test('a session file that cannot be written leaves the session open to another try', async (t) => {
  const { log, dataDir } = await bench(t);
  const sessionId = randomUUID();
  await log.openSession(opening(sessionId));
  rmSync(join(dataDir, 'sessions'), { recursive: true });
  await assert.rejects(log.closeSession(sessionId, 'client'), code('AUDIT_UNAVAILABLE'));
  assert.equal((await log.append(sessionId, callDraft('c1'))).sequence, 1);
  openSessionFiles(dataDir);
  assert.ok(existsSync((await log.closeSession(sessionId, 'client')).file));
});

test('the log closes after what was asked is durable, and then refuses', async (t) => {
  const { log, store, dataDir, reopen } = await bench(t);
  const sessionId = randomUUID();
  const opened = log.openSession(opening(sessionId));
  const closing = log.closeSession(sessionId, 'shutdown');
  await log.close();
  await opened;
  assert.equal(store.rows.entries.length, 2);
  assert.deepEqual(readdirSync(join(dataDir, 'sessions')), [`${sessionId}.cmcp.json`], 'the file is written by then');
  await closing;
  const next = await reopen();
  const reopened = next.openSession(opening(randomUUID()));
  await next.close();
  await reopened;
  await assert.rejects(log.append(sessionId, callDraft('c1')), code('AUDIT_UNAVAILABLE'));
});
