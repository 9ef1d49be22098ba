import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { GatewayError } from '../errors.ts';
import { CountedLog } from './counted-log.ts';
import { callDraft, intentOf, MemoryStore, opening, RANKS, tempDir, VERSION } from './fixtures.test.ts';
import { openAuditLogInProcess } from './in-process.ts';

interface Counted {
  log: CountedLog;
  time: ManualTime;
  /** What happened, in order. */
  events: string[];
  /** What an advance rejects with. */
  failWith: (error: Error | null) => void;
  /** Makes advances wait until it is called. */
  hold: () => () => void;
}

async function counted(t: TestContext): Promise<Counted> {
  const time = new ManualTime();
  const events: string[] = [];
  let failure: Error | null = null;
  let gate = Promise.resolve();
  const gone = Promise.withResolvers<void>();
  gone.promise.catch(() => undefined);
  const store = new MemoryStore();
  const inner = await openAuditLogInProcess({ dataDir: tempDir(t), ranks: RANKS, gatewayVersion: VERSION, store });
  const log = new CountedLog({
    log: inner,
    timers: time,
    advance: async () => {
      await Promise.race([gate, gone.promise]);
      if (failure !== null) throw failure;
      events.push('advanced');
    },
    report: (event, detail) => events.push(`${event} ${detail}`),
    letGo: async () => {
      events.push(store.closed ? 'let go too late' : 'let go');
      gone.reject(new GatewayError('ATTESTATION_UNAVAILABLE', 'let go'));
    },
  });
  return {
    log,
    time,
    events,
    failWith: (error) => {
      failure = error;
    },
    hold: () => {
      const held = Promise.withResolvers<void>();
      gate = held.promise;
      return () => held.resolve();
    },
  };
}

async function passed(time: ManualTime, ms: number): Promise<void> {
  time.advance(ms);
  await turn();
}

const MINUTE = 60_000;

test('entries advance the counter once a minute, the close of sessions within ten seconds, however many there are', async (t) => {
  const { log, time, events } = await counted(t);
  const sessions = [randomUUID(), randomUUID(), randomUUID()];
  for (const session of sessions) await log.openSession(opening(session));
  for (const session of sessions) await log.append(session, callDraft(session));
  await passed(time, MINUTE - 1);
  assert.deepEqual(events, []);
  await passed(time, 1);
  assert.deepEqual(events, ['advanced']);
  await passed(time, 10 * MINUTE);
  assert.deepEqual(events, ['advanced'], 'nothing was written');
  await log.append(sessions[0] ?? '', callDraft('later'));
  for (const session of sessions) await log.closeSession(session, 'client');
  await passed(time, 9_999);
  assert.deepEqual(events, ['advanced']);
  await passed(time, 1);
  assert.deepEqual(events, ['advanced', 'advanced']);
  await passed(time, 10 * MINUTE);
  assert.deepEqual(events, ['advanced', 'advanced'], 'the close brought the advance of the entry forward');
});

test('no call waits for the counter', async (t) => {
  const { log, time, events, hold } = await counted(t);
  const session = randomUUID();
  await log.openSession(opening(session));
  const letGo = hold();
  await passed(time, MINUTE);
  await log.intent(intentOf(session, 'c'));
  await log.append(session, callDraft('c'));
  await log.closeSession(session, 'client');
  assert.deepEqual(events, []);
  letGo();
  await turn();
  assert.deepEqual(events, ['advanced']);
});

test('a clean stop advances last, and after that nothing is asked of the TPM', async (t) => {
  const { log, time, events } = await counted(t);
  const session = randomUUID();
  await log.openSession(opening(session));
  await log.closeSession(session, 'shutdown');
  await log.close();
  assert.deepEqual(events, ['advanced', 'let go']);
  await passed(time, 10 * MINUTE);
  assert.deepEqual(events, ['advanced', 'let go']);
});

test('a stop does not wait for a TPM that hangs', async (t) => {
  const { log, time, events, hold } = await counted(t);
  hold();
  const closed = log.close();
  await passed(time, 9_999);
  assert.deepEqual(events, []);
  await passed(time, 1);
  await closed;
  assert.deepEqual(events, ['let go', 'store.not_counted let go', 'let go']);
});

test('a TPM that does not answer is reported and tried again, while calls go on', async (t) => {
  const { log, time, events, failWith } = await counted(t);
  const session = randomUUID();
  await log.openSession(opening(session));
  failWith(new GatewayError('ATTESTATION_UNAVAILABLE', 'no answer'));
  await passed(time, MINUTE);
  assert.deepEqual(events, ['store.not_counted no answer']);
  assert.equal(log.failure, null);
  failWith(null);
  await passed(time, MINUTE);
  assert.deepEqual(events.slice(1), ['advanced'], 'without another record');
  await log.append(session, callDraft('c'));
  await passed(time, MINUTE);
  failWith(new Error('a defect'));
  await log.close();
  await passed(time, 10 * MINUTE);
  assert.deepEqual(events.slice(2), ['advanced', 'store.not_counted Error: a defect', 'let go']);
});

test('a counter that someone else moved ends the log: another copy of the store may be in use', async (t) => {
  for (const code of ['STORE_ROLLED_BACK', 'STORE_INVALID'] as const) {
    const { log, time, events, failWith } = await counted(t);
    const session = randomUUID();
    await log.openSession(opening(session));
    failWith(new GatewayError(code, 'moved'));
    await passed(time, MINUTE);
    assert.equal(log.failure?.code, 'AUDIT_UNAVAILABLE');
    const ended = (error: unknown) => error instanceof GatewayError && error.code === 'AUDIT_UNAVAILABLE';
    await assert.rejects(log.append(session, callDraft('c')), ended);
    await assert.rejects(log.intent(intentOf(session, 'd')), ended);
    await assert.rejects(log.openSession(opening(randomUUID())), ended);
    assert.equal((await log.sessions()).length, 1);
    await log.close();
    assert.deepEqual(events, ['store.not_counted moved', 'let go']);
  }
});
