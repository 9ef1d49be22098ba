import assert from 'node:assert/strict';
import { test } from 'node:test';
import { approvalBindingDigest, type EntryDraft } from '@cmcp/evidence';
import fc from 'fast-check';
import { ManualTime } from '../../../../tests/support/manual-time.ts';
import { GatewayError } from '../errors.ts';
import { Desk } from './desk.ts';
import type { ApprovalDraft, Verdict } from './types.ts';

const TTL_MS = 60_000;
const NO = new AbortController().signal;

/** A desk whose entries are written, or fail, when the test says so. */
function deskOf(maxOpen = 50) {
  const time = new ManualTime();
  const entries: EntryDraft[] = [];
  const closed = new Set<string>();
  const gate: { wait: () => Promise<void> } = { wait: () => Promise.resolve() };
  const step = { micros: 0 };
  let ids = 0;
  const desk = new Desk({
    settings: { maxOpen, maxOpenPerCaller: maxOpen, maxBytes: 1000 },
    log: {
      append: async (_session, draft) => {
        await gate.wait();
        entries.push(draft);
        return { sequence: entries.length, entryHash: '' };
      },
    },
    sessions: {
      hold: (id) => (closed.has(id) ? null : ({ id } as never)),
      leave: () => {},
      isOpen: (id) => !closed.has(id),
    },
    monotonic: () => time.nowMicros() / 1000,
    clock: { nowMicros: () => time.nowMicros() + step.micros },
    newId: () => `approval-${ids++}`,
  });
  const draft = (tool: string, callId = 'call'): ApprovalDraft => ({
    caller: { subject: 'agent', source: 'bearer' },
    escalations: [{ policyId: 'p', effect: 'step_up', approver: null, via: 'operator', holdMs: 0, ttlMs: TTL_MS }],
    arguments: { tool },
    ...{ action: 'call_tool', serverIdentity: '', callId, salt: null, generation: 0 },
    declared: { data_class: null, workflow: null },
    requestedMicros: time.nowMicros(),
    expiresMicros: time.nowMicros() + TTL_MS * 1000,
    binding: {
      ...{ session_id: 's', owner: 'o', subject: 'agent', server: 'one', tool, definition_digest: 'd' },
      ...{ arguments_digest: `of ${callId}`, policy_hash: 'p', catalog_hash: 'c', policy_ids: 'p', expires_at: 'then' },
    },
  });
  return { desk, time, entries, closed, gate, draft, step };
}

const verdict = (approved: boolean, by = 'op'): Verdict => ({
  ...{ approved, by, approvers: [], channel: 'operator', reason: 'checked', signature: null },
});
const actions = (entries: readonly EntryDraft[]): string[] => entries.map(({ action }) => String(action).slice(9));

test('whoever waits is told, once it is entered; nobody is told what could not be entered', async () => {
  const { desk, entries, gate, draft } = deskOf();
  const { id } = await desk.open(draft('pay'));
  const waiting = desk.answered(id, NO);
  gate.wait = () => Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', 'full'));
  await assert.rejects(desk.answer(id, verdict(true)), { code: 'AUDIT_UNAVAILABLE' });
  assert.equal(await desk.use(draft('pay'), null), null, 'an approval that is not entered is none');
  gate.wait = () => Promise.resolve();
  await desk.answer(id, verdict(true));
  assert.equal((await waiting)?.approved, true);
  assert.deepEqual(actions(entries), ['requested', 'granted']);
});

test('a use that cannot be entered sends nothing, and uses the approval up all the same', async () => {
  const { desk, gate, draft } = deskOf();
  const { id } = await desk.open(draft('pay'));
  await desk.answer(id, verdict(true));
  gate.wait = () => Promise.reject(new GatewayError('AUDIT_UNAVAILABLE', 'full'));
  await assert.rejects(desk.use(draft('pay'), null), { code: 'AUDIT_UNAVAILABLE' });
  gate.wait = () => Promise.resolve();
  assert.equal(await desk.use(draft('pay'), null), null);
});

test('two operators at once give one answer; while it is entered, nobody gives another', async () => {
  const { desk, entries, draft } = deskOf();
  const { id } = await desk.open(draft('pay'));
  const both = await Promise.allSettled([desk.answer(id, verdict(true)), desk.answer(id, verdict(false, 'other'))]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  );
  assert.deepEqual(actions(entries), ['requested', 'granted']);
});

test('what a session had asked ends with it, and so do a gateway’s waits', async () => {
  const { desk, entries, closed, draft } = deskOf();
  const { id } = await desk.open(draft('pay'));
  await desk.answer(id, verdict(true));
  const other = await desk.open(draft('other'));
  const waiting = desk.answered(other.id, NO);
  closed.add('s');
  assert.equal(await desk.use(draft('pay'), null), null);
  await assert.rejects(desk.answer(other.id, verdict(true)), { code: 'INVALID_PARAMS' });
  await desk.sweep();
  assert.equal(await waiting, null);
  assert.deepEqual(actions(entries), ['requested', 'granted', 'requested'], 'no chain takes any more');
  closed.clear();
  const next = await desk.open(draft('pay'));
  const left = desk.answered(next.id, NO);
  desk.end();
  assert.deepEqual([await left, await desk.answered(next.id, NO)], [null, null]);
});

test('no more calls of one caller wait than a few, so that none holds up the gateway', async () => {
  const { desk, draft } = deskOf();
  const { id } = await desk.open(draft('pay'));
  const gone = new AbortController();
  const waits = Array.from({ length: 8 }, () => desk.answered(id, gone.signal));
  assert.equal(await desk.answered(id, NO), null);
  gone.abort();
  assert.deepEqual(
    await Promise.all(waits),
    Array.from({ length: 8 }, () => null),
  );
});

test('an approval ends by whichever clock says so first, so that no entry is stamped after its end', async () => {
  const { desk, step, entries, draft } = deskOf();
  const { id } = await desk.open(draft('pay'));
  await desk.answer(id, verdict(true));
  step.micros = TTL_MS * 1000;
  assert.equal(await desk.use(draft('pay'), null), null);
  await desk.sweep();
  assert.deepEqual(actions(entries), ['requested', 'granted', 'expired']);
});

test('no more is kept than fits, in number and in bytes', async () => {
  const { desk, draft } = deskOf(2);
  await desk.open(draft('a'.repeat(900)));
  await assert.rejects(desk.open(draft('b'.repeat(200))), { code: 'OVERLOADED' });
  await desk.open(draft('b'));
  await assert.rejects(desk.open(draft('c')), { code: 'OVERLOADED' });
});

type Step = readonly ['open' | 'grant' | 'refuse' | 'use' | 'advance' | 'sweep' | 'reset', number];

test('however steps interleave: granted before it is used, used once, in time, and by the call that was asked about [G26]', async () => {
  const step = fc.tuple(
    fc.constantFrom('open', 'grant', 'refuse', 'use', 'advance', 'sweep', 'reset'),
    fc.nat({ max: 2 }),
  ) as fc.Arbitrary<Step>;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.scheduler(), async (steps, scheduler) => {
      const { desk, time, entries, gate, draft } = deskOf(4);
      gate.wait = () => scheduler.schedule(Promise.resolve());
      let generation = 0;
      const used: { tool: string; id: string }[] = [];
      const tools = ['pay', 'refund', 'close'];
      const asked = (n: number): ApprovalDraft => ({ ...draft(tools[n] ?? ''), generation });
      const run = async ([what, n]: Step): Promise<void> => {
        if (what === 'open') await desk.open(asked(n));
        else if (what === 'advance') time.advance((TTL_MS / 2) * n);
        else if (what === 'sweep') await desk.sweep();
        else if (what === 'reset') generation += n;
        else if (what === 'use') {
          const call = asked(n);
          const approval = await desk.use(call, null);
          if (approval !== null) used.push({ tool: call.binding.tool, id: approval.id });
        } else await desk.answer(desk.list()[n]?.request.id ?? '', verdict(what === 'grant'));
      };
      const all = steps.map((each) =>
        scheduler
          .schedule(Promise.resolve())
          .then(() => run(each))
          .catch((error) => {
            assert.ok(error instanceof GatewayError, String(error));
          }),
      );
      await scheduler.waitFor(Promise.all(all));
      checkHistory(entries);
      assert.equal(new Set(used.map(({ id }) => id)).size, used.length, 'used once');
      for (const { tool, id } of used) {
        const of = entries.filter(({ detail }) => detail?.approval_id === id);
        assert.deepEqual(actions(of), ['requested', 'granted', 'used']);
        assert.ok(of.every(({ tool_name }) => tool_name === tool));
      }
    }),
    { numRuns: 100 },
  );
});

/** What the entries of each approval may be. */
function checkHistory(entries: readonly EntryDraft[]): void {
  const allowed = [
    'requested',
    'requested granted',
    'requested granted used',
    'requested refused',
    'requested expired',
    'requested granted expired',
  ];
  for (const id of new Set(entries.map(({ detail }) => String(detail?.approval_id)))) {
    const own = entries.filter(({ detail }) => detail?.approval_id === id);
    assert.ok(allowed.includes(actions(own).join(' ')), actions(own).join(' '));
    const [first] = own;
    const { approval_id, session_id, owner, subject, server, tool, ...rest } = first?.detail ?? {};
    const { definition_digest, arguments_digest, policy_hash, catalog_hash, policy_ids, expires_at } = rest;
    const digests = { definition_digest, arguments_digest, policy_hash, catalog_hash, policy_ids, expires_at };
    const binding = { approval_id, session_id, owner, subject, server, tool, ...digests };
    for (const { detail } of own) assert.equal(detail?.binding_digest, approvalBindingDigest(binding as never));
  }
}
