import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { claimDigest, type EntryDraft, parseJson, type SessionFile } from '@cmcp/evidence';
import fc from 'fast-check';
import { blankEntry } from './blank.ts';
import {
  appraise,
  callDraft,
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
import type { AuditLog, EntryReceipt } from './types.ts';

/** One thing that happens. `at` says to which of the open sessions. */
type Step =
  | { do: 'open' }
  | { do: 'call'; at: number; draft: Partial<EntryDraft> }
  | { do: 'intent' | 'reset' | 'close' | 'export'; at: number }
  /** The disk catches up with what was asked. */
  | { do: 'sync' }
  | { do: 'clock'; seconds: number }
  /** The process dies, and with it what was asked since the last sync. A successor opens the store. */
  | { do: 'crash' };

const at = fc.nat(9);
const draft = fc.record({
  entry_type: fc.constantFrom<EntryDraft['entry_type'][]>('tool_call', 'egress_denied', 'fault', 'mcp_request'),
  policy_decision: fc.constantFrom<EntryDraft['policy_decision'][]>('allow', 'deny', 'redact', 'step_up', 'defer'),
  session_sensitivity_after: fc.constantFrom('public', 'pii', 'hipaa_phi', null),
  effective_data_class: fc.constantFrom('public', 'pii', null),
  tool_name: fc.constantFrom('echo', 'crm.query', 'caf%C3%A9'),
});
const some = (weight: number, arbitrary: fc.Arbitrary<Step>): fc.WeightedArbitrary<Step> => ({ weight, arbitrary });
const step: fc.Arbitrary<Step> = fc.oneof(
  some(3, fc.constant({ do: 'open' })),
  some(9, fc.record({ do: fc.constant('call'), at, draft })),
  some(5, fc.record({ do: fc.constantFrom('intent', 'reset', 'close', 'export'), at })),
  some(5, fc.constant({ do: 'sync' })),
  some(1, fc.record({ do: fc.constant('clock'), seconds: fc.integer({ min: -200, max: 200 }) })),
  some(1, fc.constant({ do: 'crash' })),
);

interface World {
  dataDir: string;
  store: MemoryStore;
  clock: TestClock;
  log: AuditLog;
  keys: string[];
  open: string[];
  calls: number;
  /** What the disk was asked since the last sync. */
  asked: Promise<unknown>[];
  commits: (() => void)[];
  acknowledged: { sessionId: string; receipt: EntryReceipt }[];
  exports: SessionFile[];
}

async function restart(world: Omit<World, 'log'>): Promise<AuditLog> {
  let opening = true;
  const log = await openAuditLogInProcess({
    ...world,
    ranks: RANKS,
    gatewayVersion: VERSION,
    schedule: (task) => void (opening ? setImmediate(task) : world.commits.push(task)),
  });
  opening = false;
  world.keys.push(log.publicKey);
  return log;
}

async function sync(world: World): Promise<void> {
  for (const commit of world.commits.splice(0)) commit();
  await Promise.all(world.asked.splice(0));
}

function acknowledge(world: World, sessionId: string, asked: Promise<EntryReceipt>): void {
  world.asked.push(asked.then((receipt) => void world.acknowledged.push({ sessionId, receipt })));
}

async function take(world: World, next: Step): Promise<void> {
  if (next.do === 'sync') return sync(world);
  if (next.do === 'clock') {
    world.clock.micros += next.seconds * 1e6;
    return;
  }
  if (next.do === 'crash') {
    world.commits.length = 0;
    world.asked.length = 0;
    world.open.length = 0;
    world.log = await restart(world);
    return;
  }
  if (next.do === 'open') {
    const sessionId = randomUUID();
    world.open.push(sessionId);
    acknowledge(world, sessionId, world.log.openSession(opening(sessionId)));
    return;
  }
  const sessionId = world.open[next.at % world.open.length];
  if (sessionId !== undefined) inSession(world, sessionId, next);
}

function inSession(world: World, sessionId: string, next: Extract<Step, { at: number }>): void {
  const { log } = world;
  const callId = `call-${world.calls++}`;
  switch (next.do) {
    case 'call':
      acknowledge(world, sessionId, log.append(sessionId, callDraft(callId, next.draft)));
      return;
    case 'intent':
      world.asked.push(log.intent(intentOf(sessionId, callId)));
      return;
    case 'reset': {
      const lowered = exposure({ generation: world.calls });
      const entry = { ...blankEntry('session_reset', 'session_reset'), session_sensitivity_after: 'public' };
      acknowledge(world, sessionId, log.append(sessionId, entry, { exposure: lowered }));
      return;
    }
    case 'export':
      world.asked.push(log.exportSession(sessionId).then((file) => void world.exports.push(file)));
      return;
    case 'close':
      world.open.splice(world.open.indexOf(sessionId), 1);
      world.asked.push(log.closeSession(sessionId, 'client'));
  }
}

async function checkEverything(world: World): Promise<void> {
  const folder = join(world.dataDir, 'sessions');
  const files = readdirSync(folder).map(
    (name) => parseJson(readFileSync(join(folder, name))) as unknown as SessionFile,
  );
  for (const file of [...files, ...world.exports]) {
    const report = await appraise(file, world.keys);
    assert.deepEqual(failures(report), []);
    const recovered = file.bundle.entries.some((entry) => entry.entry_type === 'recovered');
    assert.equal(report.verdict, recovered ? 'unverified' : 'verified');
  }
  const byId = new Map(files.map((file) => [file.bundle.session_id, file.bundle.entries]));
  for (const { sessionId, receipt } of world.acknowledged) {
    assert.equal(byId.get(sessionId)?.[receipt.sequence]?.entry_hash, receipt.entryHash, 'nothing answered is missing');
  }
  assert.deepEqual(
    (await world.store.allSessions()).map((row) => [row.sessionId, row.state]).toSorted(),
    [...byId.keys()].map((sessionId) => [sessionId, 'closed']).toSorted(),
    'a file for each session, and for nothing else',
  );
  for (const [i, { claim }] of world.store.rows.claims.entries()) {
    const before = world.store.rows.claims[i - 1]?.claim;
    assert.equal(claim.gateway.sequence_number, i + 1);
    assert.equal(claim.gateway.prev_claim_hash, before && claimDigest(before));
  }
}

test('any sequence of calls, closes, resets and crashes gives chains that verify and claims that match [G20] [W-09] [LIFE-11]', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const base = {
        dataDir: tempDir(t),
        store: new MemoryStore(),
        clock: new TestClock(),
        keys: [],
        open: [],
        calls: 0,
        asked: [],
        commits: [],
        acknowledged: [],
        exports: [],
      };
      const world: World = Object.assign(base, { log: await restart(base) });
      for (const next of steps) await take(world, next);
      await sync(world);
      await take(world, { do: 'crash' });
      await checkEverything(world);
    }),
    { numRuns: 30 },
  );
});
