/** Calls that policy asks somebody about: held, parked, approved, and used up once. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { approvalSigningInput, approversDigest, type JsonObject, readApprovers } from '@cmcp/evidence';
import type { Gateway, GatewayDeps, StartedGateway } from '@cmcp/gateway';
import type { Client } from '@modelcontextprotocol/client';
import { reviewerKey } from './support/approvals.ts';
import { callMeta, endSession, refused } from './support/calls.ts';
import { OTHER_TOKEN, TestBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { openOperator } from './support/operator.ts';
import { callEntries, closedFile, sessionFile, verifyStored } from './support/session-files.ts';
import { timed } from './support/timed-gateway.ts';

const ROUTE = '/operator/v1/approvals';
const REASON = { reason: 'checked' };
const TEN_MINUTES = 600_000;
const ada = reviewerKey('ada');
const bob = reviewerKey('bob');

const asks = (id: string, annotations: string, amount = id): string => `@id("${id}") ${annotations}
forbid (principal, action == Action::"pay", resource) when { context.arguments has amount && context.arguments.amount == "${amount}" };`;

const POLICY = [
  'permit (principal, action in Action::"call_tool", resource) unless { context.arguments has note && context.arguments.note == "unpermitted" };',
  asks('large', '@advice("Ask finance.") @approver("finance") @ttl("10m")'),
  asks('held', '@aarm_decision("step_up") @hold("30s")'),
  asks('signed', '@approver("treasury")'),
  asks('two-finance', '@approver("finance")', 'two'),
  asks('two-board', '@approver("board")', 'two'),
  asks('sticky-ask', '@approver("finance")', 'sticky'),
  asks('sticky', '', 'sticky'),
  asks('nobody', '@approver("nobody")'),
  asks('waits', '@aarm_decision("defer")'),
].join('\n');

const APPROVERS = {
  finance: { operators: ['op', 'agent', 'anna'] },
  board: { operators: ['anna'] },
  treasury: { operators: ['op'], keys: [ada.x], required_signature: true },
};

const APPROVERS_HASH = approversDigest(readApprovers(JSON.stringify(APPROVERS)));

const sha256 = async (token: string): Promise<string> =>
  Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(token))).toString('hex');

/** Operators besides `op`, by the token that each has. */
const TOKENS = { op: 'operator-token-of-the-tests', anna: 'token-of-anna', agent: 'operator-token-of-agent' };
type By = keyof typeof TOKENS;

interface Scene {
  bed: TestBed;
  time: ManualTime;
  gateway: Gateway;
  started: StartedGateway;
  client: Client;
  url: URL;
  pay(args: JsonObject | string, by?: Client, meta?: Record<string, unknown>): Promise<unknown>;
  /** A call that is refused until it is approved: the id of what is asked. */
  asked(args: JsonObject | string, by?: Client): Promise<string>;
  answer(id: string, verdict: 'grant' | 'refuse', by?: By, body?: object): ReturnType<TestBed['operator']>;
  /** Ends the client's session: what its chain says of approvals, after the verifier had no objection. */
  steps(result: unknown): Promise<{ action: string | null; detail: JsonObject; call_id: string | null }[]>;
}

async function scene(
  run: (scene: Scene) => Promise<void>,
  { config = '', ...deps }: Partial<GatewayDeps> & { config?: string } = {},
): Promise<void> {
  const time = new ManualTime();
  const properties = { amount: { type: 'string' }, note: { type: 'string' } };
  const credentials = await Promise.all(
    Object.entries(TOKENS).map(async ([subject, token]) => ({ subject, token_sha256: await sha256(token) })),
  );
  const bed = await TestBed.create({
    tools: ['pay', 'refund'].map((name) => ({ name, inputSchema: { type: 'object', properties } })),
    policies: { 'pay.cedar': POLICY },
    config: [
      `approvals: ${JSON.stringify({ approvers: APPROVERS, max_open_per_caller: 6 })}`,
      `operator: ${JSON.stringify({ credentials })}`,
      config,
    ].join('\n'),
  });
  try {
    const { gateway, started, url } = await bed.start({ ...timed(time), timers: time, ...deps });
    const client = await bed.client(url);
    const pay: Scene['pay'] = (args, by = client, meta = {}) =>
      by.callTool({ name: 'pay', arguments: typeof args === 'string' ? { amount: args } : args, _meta: meta });
    const asked: Scene['asked'] = async (args, by) => {
      const { data } = await refused(pay(args, by));
      assert.equal(data.error_code, 'STEP_UP_REQUIRED');
      assert.match(String(data.approval_id), /^[0-9a-f-]{36}$/);
      return String(data.approval_id);
    };
    const answer: Scene['answer'] = (id, verdict, by = 'op', body = REASON) =>
      bed.operator('POST', `${ROUTE}/${id}/${verdict}`, body, TOKENS[by]);
    const steps: Scene['steps'] = async (result) => {
      const { session_id } = callMeta(result as Parameters<typeof callMeta>[0]);
      await endSession(client);
      await closedFile(started, session_id);
      const report = await verifyStored(started, session_id);
      assert.equal(
        report.verdict,
        'verified',
        JSON.stringify(report.checks.filter((each) => each.outcome === 'failed')),
      );
      const { bundle } = await sessionFile(started, session_id);
      assert.equal(bundle.entries[0]?.detail?.approvers_hash, APPROVERS_HASH);
      return bundle.entries.flatMap(({ entry_type, action, detail, call_id }) =>
        entry_type === 'approval' ? [{ action, detail: detail ?? {}, call_id }] : [],
      );
    };
    await run({ bed, time, gateway, started, client, url, pay, asked, answer, steps });
  } finally {
    await bed.close();
  }
}

/** The first event of a kind on a stream. */
async function firstEvent(stream: AsyncIterable<Buffer>, kind: string): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    for (const [, data = ''] of text.matchAll(/^data: (.*)\n\n/gm)) {
      const event = JSON.parse(data) as Record<string, unknown>;
      if (event.event === kind) return event;
    }
  }
  assert.fail(`no ${kind}`);
}

const codeOf = async (pending: Promise<unknown>): Promise<unknown> => (await refused(pending)).data.error_code;

test('a call that is refused for an approval goes through once it has it, and once only [AARM-R4, G26]', () =>
  scene(async ({ bed, time, pay, asked, answer, steps }) => {
    const { data } = await refused(pay('large'));
    assert.deepEqual(
      [data.error_code, data.advice],
      ['STEP_UP_REQUIRED', { advice: 'Ask finance.', approver: 'finance', ttl_seconds: 600 }],
    );
    assert.equal(data.expires_at, '2026-01-01T00:10:00+00:00');
    const id = String(data.approval_id);
    assert.equal(await asked('large'), id, 'asked once');
    assert.equal(bed.server.calls.length, 0, 'nothing is sent');
    const granted = await answer(id, 'grant');
    assert.deepEqual([granted.status, granted.body.state], [200, 'approved']);
    assert.equal((await answer(id, 'grant')).status, 400, 'answered once');
    const result = await pay('large');
    assert.equal(bed.server.calls.length, 1);
    const again = await asked('large');
    assert.notEqual(again, id);
    time.advance(TEN_MINUTES);
    const last = await asked('large');
    assert.notEqual(last, again);
    await answer(last, 'refuse');
    assert.equal(await codeOf(pay('large')), 'APPROVAL_REFUSED', 'and is not asked again');
    const found = await steps(result);
    assert.deepEqual(
      found.map(({ action }) => action),
      ['requested', 'granted', 'used', 'requested', 'expired', 'requested', 'refused'].map(
        (step) => `approval_${step}`,
      ),
    );
    const [requested, granting, used, , expired] = found;
    assert.equal(requested?.detail.policy_ids, 'large');
    assert.deepEqual(
      [granting?.detail.by, granting?.detail.approvers, granting?.detail.reason],
      ['op', 'finance', 'checked'],
    );
    assert.equal(used?.call_id, callMeta(result as never).call_id);
    assert.equal(expired?.detail.state, 'open');
    assert.equal(
      new Set(found.slice(0, 3).map(({ detail }) => detail.binding_digest ?? used?.detail.binding_digest)).size,
      1,
    );
  }));

test('of two calls at once that were approved once, one goes through [G26]', () =>
  scene(async ({ bed, pay, asked, answer }) => {
    await answer(await asked('large'), 'grant');
    const both = await Promise.allSettled([pay('large'), pay('large')]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    assert.equal(bed.server.calls.length, 1);
  }));

test('an approval is of one call: by no other caller, session, tool or arguments, and by no other name [G26, G29, AISVS-9.2.8]', () =>
  scene(async ({ bed, url, client, pay, asked, answer }) => {
    const id = await asked({ amount: 'large', note: 'rent' });
    await answer(id, 'grant');
    const [stranger, sibling] = [await bed.client(url, OTHER_TOKEN), await bed.client(url)];
    for (const [who, args, name] of [
      ['another caller', { amount: 'large', note: 'rent' }, stranger],
      ['another session of the same caller', { amount: 'large', note: 'rent' }, sibling],
      ['other arguments', { amount: 'large', note: 'Rent' }, client],
      ['a member less', { amount: 'large' }, client],
    ] as const) {
      const other = await asked(args, name);
      assert.notEqual(other, id, who);
      const meta = { 'io.cmcp/approval': id };
      assert.equal((await refused(pay(args, name, meta))).data.approval_id, other, `${who}, which names it`);
    }
    const elsewise = { 'io.cmcp/call': { workflow_id: 'another' } };
    const declared = await refused(pay({ amount: 'large', note: 'rent' }, client, elsewise));
    assert.notEqual(declared.data.approval_id, id, 'another workflow, which policy sees');
    const wrong = { 'io.cmcp/approval': '00000000-0000-4000-8000-000000000000' };
    assert.equal(
      (await refused(pay({ amount: 'large', note: 'rent' }, client, wrong))).data.error_code,
      'STEP_UP_REQUIRED',
    );
    assert.equal(
      await codeOf(client.callTool({ name: 'pay', arguments: { amount: 'large' }, _meta: { 'io.cmcp/approval': 7 } })),
      'INVALID_PARAMS',
    );
    assert.equal(bed.server.calls.length, 0);
    await pay({ note: 'rent', amount: 'large' }, client, { 'io.cmcp/approval': id });
    assert.equal(bed.server.calls.length, 1);
  }));

test('a call may wait for its approval, and goes on when it comes; its time, its client and a refusal end the wait', () =>
  scene(async ({ bed, time, client, started, pay, answer, steps }) => {
    /** The oldest that is open, once there are so many. */
    const listed = async (count = 1): Promise<string> => {
      for (;;) {
        const { items } = (await bed.operator('GET', ROUTE)).body as { items: { id: string; state: string }[] };
        const [open, ...more] = items.filter(({ state }) => state === 'open');
        if (open !== undefined && more.length >= count - 1) return open.id;
      }
    };
    const waits = pay('held');
    await answer(await listed(), 'grant');
    const result = await waits;
    const late = refused(pay('held'));
    const id = await listed();
    time.advance(30_000);
    const { data } = await late;
    assert.deepEqual([data.error_code, data.approval_id], ['STEP_UP_REQUIRED', id]);
    const gone = new AbortController();
    const leaving = { name: 'pay', arguments: { amount: 'held', note: 'gone' } };
    const left = client.callTool(leaving, { signal: gone.signal });
    await listed(2);
    gone.abort();
    await assert.rejects(left);
    const wrong = { 'io.cmcp/approval': '00000000-0000-4000-8000-000000000000' };
    assert.equal(await codeOf(pay('held', client, wrong)), 'STEP_UP_REQUIRED', 'who names another one does not wait');
    const no = refused(pay('held'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await answer(id, 'refuse')).body.state, 'refused');
    assert.equal((await no).data.error_code, 'APPROVAL_REFUSED');
    assert.equal(await codeOf(pay('held')), 'APPROVAL_REFUSED', 'whoever was refused does not ask again');
    assert.equal(bed.server.calls.length, 1);
    const found = await steps(result);
    assert.equal(found.at(-1)?.action, 'approval_refused');
    const codes = (await callEntries(started, callMeta(result as never).session_id)).map(
      ({ detail }) => detail?.error_code,
    );
    assert.ok(codes.includes('CALL_CANCELLED'), codes.join());
  }));

test('a call that was stopped while it waited stays stopped, whoever approves it; a gateway that stops ends the wait', () =>
  scene(async ({ bed, gateway, pay, answer }) => {
    const place = { socketPath: join(bed.dataDir, 'operator.sock') };
    const follow = () => openOperator(place, { route: 'events', token: TOKENS.op });
    const stream = await follow();
    const waits = refused(pay('held'));
    const event = await firstEvent(stream, 'approval.requested');
    assert.deepEqual([event.tool, event.subject, event.channels], ['pay', 'agent', ['operator']]);
    assert.equal(JSON.stringify(event).includes('held'), false, 'no arguments');
    const block = { scope: 'tool', name: 'pay', reason: 'an incident' };
    assert.equal((await bed.operator('POST', '/operator/v1/blocks', block)).status, 200);
    await answer(String(event.approval_id), 'grant');
    assert.equal((await waits).data.error_code, 'BLOCKED');
    const { blocks } = (await bed.operator('GET', '/operator/v1/blocks')).body as { blocks: { id: string }[] };
    await bed.operator('POST', `/operator/v1/blocks/${blocks[0]?.id}/lift`, { reason: 'over' });
    const next = await follow();
    const last = pay({ amount: 'held', note: 'another' });
    await firstEvent(next, 'approval.requested');
    // Its clock stands still: what waited for somebody would wait for ever.
    await Promise.all([gateway.stop(), assert.rejects(last)]);
    assert.equal(bed.server.calls.length, 0);
  }));

test('whose word counts is said by the configuration: not the asker’s, not a stranger’s, and every policy’s own [INV-13]', () =>
  scene(async ({ bed, pay, asked, answer }) => {
    const id = await asked('two');
    const own = await answer(id, 'grant', 'agent');
    assert.deepEqual([own.status, own.body.error_code], [403, 'FORBIDDEN']);
    assert.match(String(own.body.detail), /agent asked for it/);
    assert.equal((await answer(id, 'grant', 'op')).body.state, 'open', 'the board has not spoken');
    const twice = await answer(id, 'grant', 'op');
    assert.match(String(twice.body.detail), /does not count as .*board/);
    assert.equal(await asked('two'), id);
    assert.equal((await answer(id, 'grant', 'anna')).body.state, 'approved');
    await pay('two');
    const unknown = await answer(await asked('nobody'), 'grant', 'anna');
    assert.match(String(unknown.body.detail), /does not count as .*nobody/);
    assert.ok(bed.reports.some((line) => line.startsWith('approval.unknown_approver') && line.includes('nobody')));
    const { data } = await refused(pay('waits'));
    assert.equal(data.error_code, 'DEFERRED');
    assert.match(
      String((await answer(String(data.approval_id), 'grant')).body.detail),
      /not answered through operator/,
    );
  }));

test('where an approver has to sign, only a signature over exactly this counts [AISVS-9.2.8]', () =>
  scene(async ({ bed, pay, asked, answer, steps }) => {
    const id = await asked('signed');
    const { binding } = (await bed.operator('GET', `${ROUTE}/${id}`)).body as { binding: JsonObject };
    const said = { verdict: 'granted', reason: 'checked', by: 'op' } as const;
    const sign = (
      key: typeof ada,
      over: JsonObject = binding,
      what: Partial<Record<keyof typeof said, string>> = {},
    ) => ({
      ...REASON,
      signature: { alg: 'EdDSA', value: key.sign(approvalSigningInput(over, { ...said, ...what } as typeof said)) },
    });
    const refusals: [object, number, RegExp][] = [
      [REASON, 403, /does not count as .*treasury/],
      [sign(bob), 403, /of no key/],
      [sign(ada, { ...binding, tool: 'refund' }), 403, /of no key/],
      [sign(ada, binding, { verdict: 'refused' }), 403, /of no key/],
      [sign(ada, binding, { reason: 'other' }), 403, /of no key/],
      [sign(ada, binding, { by: 'anna' }), 403, /of no key/],
      [{ ...REASON, signature: { alg: 'webauthn', value: 'x' } }, 400, /WebAuthn/],
      [{ ...REASON, signature: { alg: 'none', value: '' } }, 400, /no such kind/],
    ];
    for (const [body, status, why] of refusals) {
      const answered = await answer(id, 'grant', 'op', body);
      assert.deepEqual(
        [answered.status, why.test(String(answered.body.detail))],
        [status, true],
        String(answered.body.detail),
      );
    }
    assert.equal((await answer(id, 'grant', 'op', sign(ada))).body.state, 'approved');
    const result = await pay('signed');
    const granted = (await steps(result)).find(({ action }) => action === 'approval_granted');
    assert.deepEqual([granted?.detail.signature_alg, granted?.detail.signature_key_id], ['EdDSA', ada.keyId]);
  }));

test('what approvers are shown is all of the arguments, and nothing in them hides [ASI-09, AISVS-9.2.7]', () =>
  scene(async ({ bed, started, gateway, asked }) => {
    const note = `${'0123456789'.repeat(1000)}\u202eevil\u200b\u0007"Zürich`;
    const id = await asked({ amount: 'large', note });
    const list = await bed.operator('GET', ROUTE);
    assert.equal(JSON.stringify(list.body).includes('0123456789'), false, 'a list shows no arguments');
    const { body } = await bed.operator('GET', `${ROUTE}/${id}`);
    const shown = `{"amount":"large","note":"${'0123456789'.repeat(1000)}\\u{202e}evil\\u{200b}\\u0007\\"Zürich"}`;
    assert.ok(body.arguments === shown, String(body.arguments).slice(10_000));
    const exact = Buffer.from(String(body.arguments_base64url), 'base64url');
    assert.deepEqual(JSON.parse(exact.toString()), { amount: 'large', note });
    const { createHash } = await import('node:crypto');
    const salted = createHash('sha256')
      .update(Buffer.from(String(body.salt), 'base64url'))
      .update(exact)
      .digest('hex');
    assert.equal((body.binding as JsonObject).arguments_digest, `sha256:${salted}`);
    await gateway.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const looked = bundle.entries.find(({ action }) => action === 'operator.approval_show');
    assert.deepEqual([looked?.detail, looked?.caller], [{ approval_id: id }, 'op']);
  }));

test('a plain deny is sticky, an approval permits nothing, and a refusal by anything else stands', () =>
  scene(async ({ pay, asked, answer }) => {
    const { data } = await refused(pay('sticky'));
    assert.deepEqual([data.error_code, data.approval_id], ['POLICY_DENY', undefined]);
    await answer(await asked({ amount: 'large', note: 'unpermitted' }), 'grant');
    assert.equal(await codeOf(pay({ amount: 'large', note: 'unpermitted' })), 'POLICY_DENY', 'no permit is about it');
  }));

test('an approval ends with what it was given under: policy, reset, drift, restart', () =>
  scene(async ({ bed, time, gateway, started, client, url, pay, asked, answer }) => {
    const first = await asked('large');
    await answer(first, 'grant');
    const { session_id } = callMeta((await pay('small')) as never);
    await bed.operator('POST', `/operator/v1/sessions/${session_id}/reset`, REASON);
    const second = await asked('large');
    assert.notEqual(second, first, 'of before the reset');
    await answer(second, 'grant');
    await bed.writePolicies({ 'pay.cedar': `${POLICY}\n// another policy` });
    await gateway.reload();
    const third = await asked('large');
    assert.notEqual(third, second, 'of another session under another policy');
    assert.equal((await answer(second, 'grant')).status, 400);
    await answer(third, 'grant');
    bed.server.tools = bed.server.tools.map((tool) => ({ ...tool, description: 'Now it does something else.' }));
    time.advance(TEN_MINUTES - 1);
    assert.equal(await codeOf(pay('large')), 'CATALOG_DRIFT');
    await gateway.stop();
    assert.ok(started.url !== null && client !== null && url !== null);
    const { url: next } = await bed.start(timed(time));
    const fourth = await asked('large', await bed.client(next)).catch((error) => String(error));
    assert.notEqual(fourth, third, 'a restart forgets');
  }));

test('where nothing is enforced nothing is asked; how much is kept is bounded, and what comes after is refused without being asked', async () => {
  await scene(async ({ bed, pay, asked }) => {
    for (let n = 0; n < 6; n += 1) await asked({ amount: 'large', note: String(n) });
    const { data } = await refused(pay({ amount: 'large', note: '6' }));
    assert.deepEqual([data.error_code, data.approval_id], ['STEP_UP_REQUIRED', undefined]);
    assert.ok(bed.reports.some((line) => line.startsWith('approval.not_asked')));
    await asked({ amount: 'large', note: '5' });
  });
  await scene(
    async ({ bed, pay }) => {
      assert.equal(callMeta((await pay('large')) as never).would_have_denied, true);
      assert.deepEqual((await bed.operator('GET', ROUTE)).body, { items: [] });
    },
    { config: 'mode: advisory' },
  );
});
