/** The invariants of docs/invariants.md, over random histories of everything that may come between. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type AuditEntry, type SessionFile, verify } from '@cmcp/evidence';
import fc from 'fast-check';
import {
  type Call,
  InterleavedHistory,
  lasts,
  metaOf,
  type Step,
  SUBJECTS,
  type Who,
} from './support/interleaved-history.ts';
import { pins } from './support/session-files.ts';

const who = fc.constantFrom<Who[]>(0, 1);
const tool = fc.constantFrom('write', 'customers', 'asks', 'never', 'changing', 'unknown');
const slow = fc.constantFrom('write', 'customers');
const twist = fc.constantFrom('none' as const, 'none' as const, 'changed' as const, 'other agent' as const);
const scope = fc.oneof(
  { weight: 1, arbitrary: fc.constant('all' as const) },
  { weight: 5, arbitrary: fc.constantFrom('agent' as const, 'session' as const, 'tool' as const) },
);
const blocked = fc.constantFrom('write', 'customers', 'asks');

const kinds = <K extends Step['kind']>(...all: K[]) => fc.constantFrom(...all);
const between: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: kinds('block'), scope, who, tool: blocked }) },
  { weight: 3, arbitrary: fc.record({ kind: kinds('reset', 'close', 'end', 'intrude'), who }) },
  { weight: 3, arbitrary: fc.record({ kind: kinds('lift', 'lift', 'activate', 'wait', 'restart', 'crash') }) },
  { weight: 2, arbitrary: fc.record({ kind: kinds('call'), who, tool }) },
  { weight: 1, arbitrary: fc.record({ kind: kinds('parallel'), who, tools: fc.array(tool, { maxLength: 3 }) }) },
);
const times = fc.integer({ min: 1, max: 2 });

/** A call that is asked about, what comes between, and what is then made of its approval. */
const approved: fc.Arbitrary<Step[]> = fc
  .tuple(
    who,
    fc.array(between, { maxLength: 1 }),
    fc.constantFrom('grant' as const, 'grant' as const, 'refuse' as const),
    fc.array(between, { maxLength: 2 }),
    twist,
    times,
  )
  .map(([who, before, verdict, after, twist, times]) => [
    { kind: 'call', who, tool: 'asks' },
    ...before,
    { kind: 'verdict', verdict },
    ...after,
    { kind: 'repeat', who, times, twist },
    { kind: 'repeat', who, times: 1, twist: 'none' },
  ]);

/** Calls that their server keeps, and what comes before it answers. */
const kept: fc.Arbitrary<Step[]> = fc
  .tuple(
    who,
    fc.array(slow, { minLength: 1, maxLength: 2 }),
    fc.array(between, { minLength: 1, maxLength: 3 }),
    who,
    tool,
  )
  .map(([who, tools, meanwhile, then, next]) => [
    ...tools.map((tool) => ({ kind: 'hold' as const, who, tool })),
    ...meanwhile,
    { kind: 'answer' },
    { kind: 'call', who: then, tool: next },
  ]);

const history = fc
  .array(
    fc.oneof(
      { weight: 2, arbitrary: approved },
      { weight: 2, arbitrary: kept },
      between.map((step) => [step]),
    ),
    {
      minLength: 2,
      maxLength: 5,
    },
  )
  .map((parts) => parts.flat());

/** What chance would seldom put together: told first, each time. */
const WORST: Record<string, Step[]> = {
  'an answer across a reset, and what was seen across a restart and a crash': [
    { kind: 'call', who: 0, tool: 'customers' },
    { kind: 'hold', who: 0, tool: 'customers' },
    { kind: 'hold', who: 0, tool: 'write' },
    { kind: 'reset', who: 0 },
    { kind: 'answer' },
    { kind: 'call', who: 0, tool: 'write' },
    { kind: 'hold', who: 0, tool: 'write' },
    { kind: 'call', who: 0, tool: 'customers' },
    { kind: 'crash' },
    { kind: 'call', who: 0, tool: 'write' },
    { kind: 'restart' },
    { kind: 'call', who: 0, tool: 'write' },
  ],
  'an approval across a reset, other arguments, another agent, an activation, its time and a restart': [
    { kind: 'call', who: 1, tool: 'asks' },
    ...['reset', 'end', 'intrude'].map((kind) => ({ kind, who: 1 }) as Step).flatMap(granted),
    ...['activate', 'wait', 'restart', 'crash'].map((kind) => ({ kind }) as Step).flatMap(granted),
    ...granted({ kind: 'repeat', who: 1, times: 1, twist: 'changed' }),
    ...granted({ kind: 'repeat', who: 1, times: 1, twist: 'other agent' }),
  ],
  'blocks of what is at the server, across a restart and a crash': [
    { kind: 'call', who: 0, tool: 'write' },
    { kind: 'hold', who: 0, tool: 'write' },
    { kind: 'hold', who: 1, tool: 'customers' },
    { kind: 'block', scope: 'session', who: 0, tool: '' },
    { kind: 'block', scope: 'agent', who: 1, tool: '' },
    { kind: 'answer' },
    { kind: 'call', who: 0, tool: 'write' },
    { kind: 'restart' },
    { kind: 'call', who: 1, tool: 'write' },
    { kind: 'block', scope: 'tool', who: 0, tool: 'write' },
    { kind: 'crash' },
    { kind: 'call', who: 0, tool: 'write' },
    { kind: 'lift' },
    { kind: 'lift' },
    { kind: 'call', who: 1, tool: 'changing' },
    { kind: 'call', who: 1, tool: 'write' },
    { kind: 'lift' },
    { kind: 'call', who: 1, tool: 'write' },
  ],
  'an activation beside what is at the server, and somebody with the session of another': [
    { kind: 'call', who: 0, tool: 'changing' },
    { kind: 'activate' },
    { kind: 'hold', who: 0, tool: 'changing' },
    { kind: 'hold', who: 1, tool: 'customers' },
    { kind: 'activate' },
    { kind: 'parallel', who: 0, tools: ['changing', 'write', 'customers'] },
    { kind: 'call', who: 1, tool: 'changing' },
    { kind: 'intrude', who: 0 },
    { kind: 'intrude', who: 1 },
    { kind: 'answer' },
    { kind: 'hold', who: 0, tool: 'write' },
    { kind: 'crash' },
    { kind: 'call', who: 0, tool: 'changing' },
  ],
};

const examples = Object.values(WORST).map((steps): [Left['durability'], Step[]] => ['strict', steps]);

/** Somebody grants what is asked; this comes; the call is made again, twice at once. */
function granted(meanwhile: Step): Step[] {
  return [{ kind: 'verdict', verdict: 'grant' }, meanwhile, { kind: 'repeat', who: 1, times: 2, twist: 'none' }];
}

/** A session as it is on disk. */
interface Chain {
  file: SessionFile;
  entries: readonly AuditEntry[];
  /** Continued by the process after the one that was killed. */
  recovered: boolean;
  kind: 'session' | 'gateway';
}

interface Left {
  history: InterleavedHistory;
  durability: 'strict' | 'batched';
  sessions: Chain[];
  gateways: Chain[];
  /** Of the operators' chain, in order of their stamps. */
  events: AuditEntry[];
}

const ENDS = ['tool_call', 'egress_denied', 'fault'];
const codeOf = ({ reply }: Call): unknown => reply?.error?.data?.error_code;
const stampOf = (entry: AuditEntry): string => entry.timestamp_utc;

async function leftBy(history: InterleavedHistory, durability: Left['durability']): Promise<Left> {
  const [first] = history.runs;
  assert.ok(first);
  const gatewayIds = new Set(history.runs.map(({ gatewaySession }) => gatewaySession));
  const keys = history.runs.map(({ publicKey }) => ({ x: publicKey, source: 'test' }));
  const chains: Chain[] = [];
  for (const name of (await readdir(first.sessionsFolder)).filter((each) => each.endsWith('.cmcp.json'))) {
    const text = await readFile(join(first.sessionsFolder, name), 'utf8');
    const file = JSON.parse(text) as SessionFile;
    const { entries } = file.bundle;
    const kind = gatewayIds.has(entries[0]?.session_id ?? '') ? 'gateway' : 'session';
    const recovered = entries.some(({ entry_type }) => entry_type === 'recovered');
    const policyHash =
      kind === 'gateway' ? file.claim.trace.policy.bundle_hash : String(entries[0]?.detail?.bundle_hash);
    assert.ok(history.changing.has(policyHash), 'INV-10: a session is under a bundle that was put in force');
    const report = await verify(text, { ...pins(first), keys, policyHash });
    const failed = report.checks.filter(({ outcome }) => outcome === 'failed');
    assert.deepEqual(failed, [], 'INV-12: no chain, claim, kill flag or approval fails a check');
    assert.equal(report.verdict, recovered ? 'unverified' : 'verified', `INV-12: ${report.summary}`);
    chains.push({ file, entries, recovered, kind });
  }
  assert.ok(
    history.crashes > 0 || chains.every(({ recovered }) => !recovered),
    'INV-12: only a crash is recovered from',
  );
  const gateways = chains.filter(({ kind }) => kind === 'gateway');
  const events = gateways.flatMap(({ entries }) => entries).sort((a, b) => (stampOf(a) < stampOf(b) ? -1 : 1));
  return { history, durability, sessions: chains.filter(({ kind }) => kind === 'session'), gateways, events };
}

/** Those that a chain has for a call, by its id. */
function endings({ sessions }: Left): Map<string, AuditEntry[]> {
  const found = new Map<string, AuditEntry[]>();
  for (const entry of sessions.flatMap(({ entries }) => entries)) {
    if (!ENDS.includes(entry.entry_type)) continue;
    const id = entry.call_id ?? '';
    found.set(id, [...(found.get(id) ?? []), entry]);
  }
  return found;
}

function oneEntryEach(left: Left): void {
  const { calls, hits } = left.history;
  const ended = endings(left);
  const lost = calls.filter((call) => metaOf(call.reply) === undefined && codeOf(call) !== 'BLOCKED');
  for (const call of calls) {
    const meta = metaOf(call.reply);
    if (meta === undefined) continue;
    const entries = ended.get(meta.call_id) ?? [];
    assert.equal(entries.length, 1, `INV-01: ${call.tool} ${call.key} has one entry`);
    assert.equal(entries[0]?.session_id, meta.session_id);
    const allowed = entries[0]?.entry_type === 'tool_call' && entries[0].policy_decision === 'allow';
    // Batched durability promises the intent alone before a reply.
    if (call.reply?.result !== undefined)
      assert.ok(allowed || left.durability === 'batched', 'INV-03: shown, hence entered as allowed');
    ended.delete(meta.call_id);
  }
  const outside = calls.filter((call) => metaOf(call.reply) === undefined && codeOf(call) === 'BLOCKED').length;
  const refused = left.events.filter(
    ({ action, detail }) => action === 'call.refused' && detail?.error_code === 'BLOCKED',
  );
  assert.ok(refused.length >= outside, 'INV-01: who is given no session is entered in the chain of the gateway');
  assert.ok(left.history.crashes > 0 || lost.length === 0, 'INV-01: only a crash leaves a call without a reply');
  assert.ok(
    [...ended.values()].every((entries) => entries.length === 1) && ended.size <= lost.length,
    'INV-01: no other entry',
  );
  const owed = lost.filter(({ tool, key }) => tool !== 'customers' && hits.some((hit) => hit.key === key));
  if (left.durability === 'strict')
    assert.ok(ended.size >= owed.length, 'INV-02: what reached a server has left an entry');
}

function nothingUnallowed({ history: { calls, hits }, sessions }: Left): void {
  for (const hit of hits) {
    const sent = calls.filter(({ key }) => key === hit.key);
    assert.ok(sent.length > 0 && !['never', 'unknown'].includes(hit.tool), `INV-02: ${hit.tool} reached the server`);
    const times = hits.filter(({ key }) => key === hit.key).length;
    const went = sent.filter(
      (call) => call.reply?.result !== undefined || call.reply === null || codeOf(call) !== 'STEP_UP_REQUIRED',
    );
    assert.ok(times <= went.length, `INV-02: ${hit.key} reached the server more often than it was let through`);
  }
  for (const { file, entries } of sessions) {
    const hash = String(entries[0]?.detail?.bundle_hash);
    assert.equal(file.claim.trace.policy.bundle_hash, hash, 'INV-10: one bundle');
    const own = new Set(entries.map(({ session_id }) => session_id));
    assert.equal(own.size, 1);
  }
}

function oneBundleEach(left: Left): void {
  for (const { entries } of left.sessions) {
    const may = left.history.changing.get(String(entries[0]?.detail?.bundle_hash));
    for (const entry of entries.filter(({ tool_name }) => tool_name === 'changing')) {
      if (![undefined, 'POLICY_DENY', 'EGRESS_DENIED'].includes(entry.detail?.error_code as string | undefined))
        continue;
      assert.equal(entry.policy_decision === 'allow', may, 'INV-10: decided by the bundle of its session');
    }
  }
}

/** What agents have seen: no less than what they were shown since the last reset, and no more than what they may have been. */
function exposureHolds(left: Left): void {
  const { calls, resets, hits } = left.history;
  const ended = endings(left);
  for (const call of calls) {
    const [entry] = ended.get(metaOf(call.reply)?.call_id ?? '') ?? [];
    if (entry === undefined || call.seen === null) continue;
    assert.equal(
      entry.session_sensitivity_before,
      call.seen,
      `INV-04: ${call.key} was asked for by somebody who saw ${call.seen}`,
    );
  }
  for (const call of calls) {
    const hit = hits.find(({ key }) => key === call.key);
    const reset = resets.find(
      (each) => each.who === call.who && each.at > call.sentAt && each.at < (hit?.answeredAt ?? 0),
    );
    if (reset !== undefined)
      assert.equal(call.reply?.result, undefined, 'INV-05: an answer across a reset is not shown');
  }
}

function exposureRises({ sessions }: Left): void {
  for (const subject of SUBJECTS) {
    let seen = 'public';
    const own = sessions.filter(({ entries }) => entries[0]?.caller === subject);
    const entries = own.flatMap((chain) => chain.entries).sort((a, b) => (stampOf(a) < stampOf(b) ? -1 : 1));
    for (const entry of entries) {
      if (entry.entry_type === 'session_reset') seen = 'public';
      const released = entry.entry_type === 'tool_call' && entry.policy_decision === 'allow';
      if (released && seen === 'pii') assert.equal(entry.session_sensitivity_after, 'pii', 'INV-04: it only rises');
      if (released) seen = String(entry.session_sensitivity_after);
    }
  }
}

function stoppedIsStopped({ history: { calls, hits, stopped }, events, sessions }: Left): void {
  for (const call of calls) {
    const own = hits.filter(({ key }) => key === call.key);
    if (call.blocked !== null) {
      assert.equal(call.reply?.result, undefined, `INV-06: ${call.blocked} is stopped, and was shown something`);
      assert.ok(
        own.every(({ at }) => at < call.sentAt || at > call.repliedAt),
        `INV-06: ${call.blocked} reached the server`,
      );
    }
    for (const block of stopped) {
      const named = {
        all: '*',
        agent: SUBJECTS[call.who],
        tool: call.tool,
        session: metaOf(call.reply)?.session_id,
      }[block.scope];
      if (named !== block.name) continue;
      const answered =
        hits.find(({ key, at }) => key === call.key && at > call.sentAt && at < call.repliedAt)?.answeredAt ?? 0;
      if (answered < block.at || call.repliedAt > block.liftedAt) continue;
      assert.equal(call.reply?.result, undefined, `INV-06: answered while ${block.scope} ${block.name} was stopped`);
    }
  }
  for (const entry of sessions.flatMap((chain) => chain.entries)) {
    if (entry.detail?.error_code !== 'BLOCKED') continue;
    const before = events.some((event) => event.action === 'operator.block' && stampOf(event) < stampOf(entry));
    assert.ok(before, 'INV-11: what stops a call was entered before');
  }
}

function killsAreSaid({ sessions }: Left): void {
  for (const { file, entries } of sessions) {
    const first = entries.findIndex(({ detail }) => detail?.error_code === 'BLOCKED');
    if (first === -1) continue;
    const said = entries.slice(0, first).some(({ action }) => action === 'kill_switch');
    assert.ok(said && file.claim.gateway.kill_switch_triggered, 'INV-12: a session whose calls were stopped says so');
  }
}

function approvalsHold({ history, sessions, events }: Left): void {
  const used = new Set<string>();
  const of = (entry: AuditEntry): string => String(entry.detail?.approval_id);
  for (const { entries } of sessions) {
    for (const [index, entry] of entries.entries()) {
      if (entry.action !== 'approval_used') continue;
      const asked = history.asked.get(of(entry));
      assert.ok(asked, 'INV-07: what was used was asked for');
      const granted = entries
        .slice(0, index)
        .filter((each) => each.action === 'approval_granted' && of(each) === of(entry));
      assert.equal(granted.length, 1, 'INV-07: granted before it is used');
      const said = events.find(
        ({ action, detail }) => action === 'operator.approval_grant' && detail?.approval_id === of(entry),
      );
      assert.ok(said && granted[0] && stampOf(said) < stampOf(granted[0]), 'INV-11: entered before it takes effect');
      assert.ok(!used.has(of(entry)), 'INV-07: used once');
      used.add(of(entry));
      const call = history.calls.find((each) => metaOf(each.reply)?.call_id === entry.call_id);
      // One whose reply was lost in a crash is known by its entries alone.
      if (call === undefined) continue;
      assert.deepEqual(
        [call.who, call.key, call.run, entry.session_id],
        [asked.who, asked.key, asked.run, asked.session],
        'INV-08',
      );
      const reset = history.resets.some(({ who, at }) => who === call.who && at > asked.grantedAt && at < call.sentAt);
      assert.ok(!reset, 'INV-08: not of before a reset');
    }
  }
  for (const hit of history.hits.filter(({ tool }) => tool === 'asks')) {
    const same = history.hits.filter(({ key, at }) => key === hit.key && at <= hit.at).length;
    const granted = [...history.asked.values()].filter(
      ({ key, grantedAt }) => key === hit.key && grantedAt > 0 && grantedAt < hit.at,
    );
    assert.ok(same <= granted.length, `INV-07: ${hit.key} reached the server without an approval of its own`);
    assert.ok(
      granted.some((each) => each.run === hit.run && lasts(each, hit.millis)),
      'INV-08: in its process and its time',
    );
  }
}

function actsAreEntered({ history, events, sessions }: Left): void {
  const entered = (action: string): AuditEntry[] => events.filter((event) => event.action === action);
  const done = (end: RegExp): number => history.acts.filter((path) => end.test(path)).length;
  for (const [action, path] of [
    ['operator.block', /^blocks$/],
    ['operator.unblock', /lift$/],
    ['operator.reset', /reset$/],
    ['operator.approval_grant', /grant$/],
    ['operator.approval_refuse', /refuse$/],
  ] as const)
    assert.ok(entered(action).length >= done(path), `INV-11: ${action} is entered`);
  for (const reset of sessions
    .flatMap(({ entries }) => entries)
    .filter(({ entry_type }) => entry_type === 'session_reset')) {
    const before = entered('operator.reset').some(
      (event) => event.detail?.session_id === reset.session_id && stampOf(event) < stampOf(reset),
    );
    assert.ok(before, 'INV-11: entered before it takes effect');
  }
}

function nobodyEntersAnothers({ history, sessions }: Left): void {
  for (const code of history.intrusions)
    assert.ok(
      ['SESSION_UNKNOWN', 'SESSION_NOT_FOUND', 'BLOCKED'].includes(String(code)),
      `INV-09: ${JSON.stringify(code)}`,
    );
  assert.ok(
    history.hits.every(({ key }) => key !== 'intruder'),
    'INV-09: nothing of it reaches a server',
  );
  for (const { entries } of sessions) {
    const callers = new Set(entries.flatMap((entry) => (ENDS.includes(entry.entry_type) ? [entry.caller] : [])));
    assert.ok(callers.size <= 1, 'INV-09: one caller');
  }
}

const INVARIANTS = [
  nobodyEntersAnothers,
  oneEntryEach,
  nothingUnallowed,
  exposureHolds,
  exposureRises,
  stoppedIsStopped,
  approvalsHold,
  oneBundleEach,
  killsAreSaid,
  actsAreEntered,
];

test('whatever comes between calls, resets, kills, approvals, policy reloads and crashes, the invariants hold [INV-01] [INV-02] [INV-03] [INV-04] [INV-05] [INV-06] [INV-07] [INV-08] [INV-09] [INV-10] [INV-11] [INV-12]', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('strict' as const, 'batched' as const), history, async (durability, steps) => {
      const history = await InterleavedHistory.create(durability);
      try {
        await history.run(steps);
        const left = await leftBy(history, durability);
        for (const holds of INVARIANTS) holds(left);
      } finally {
        await history.bed.close().catch((error: unknown) => assert.match(String(error), /AUDIT_UNAVAILABLE/));
      }
    }),
    { numRuns: 13, endOnFailure: true, examples },
  );
});
