import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StartedGateway } from '@cmcp/gateway';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { GatewayError } from '../packages/gateway/src/errors.ts';
import { callMeta, endSession, refused } from './support/calls.ts';
import { GatedLog } from './support/gated-log.ts';
import { AGENT_TOKEN, ALLOW_ALL, OTHER_TOKEN, TestBed, type TestTool, withBed } from './support/gateway.ts';
import { ManualTime } from './support/manual-time.ts';
import { text } from './support/scripted-server.ts';
import { callEntries, closedFile, sessionFile, verifyStored } from './support/session-files.ts';

const TOOLS: TestTool[] = [
  { name: 'echo' },
  { name: 'customers', catalog: { sensitivity: 'pii', effects: 'read' } },
  { name: 'publish' },
];
const POLICIES = {
  ...ALLOW_ALL,
  'forbid.cedar':
    'forbid (principal, action == Action::"publish", resource) when { context.session.max_class_rank >= 1 };',
};

interface Scene {
  bed: TestBed;
  log: GatedLog;
  time: ManualTime;
  started: StartedGateway;
  url: URL;
}

async function scene(config: string, run: (scene: Scene) => Promise<void>): Promise<void> {
  const bed = await TestBed.create({ tools: TOOLS, policies: POLICIES, config });
  try {
    const log = new GatedLog();
    const time = new ManualTime();
    await run({ bed, log, time, ...(await bed.start({ openLog: log.openLog, clock: time, timers: time })) });
  } finally {
    await bed.close();
  }
}

/** A client of the stateless revision. */
async function stateless(url: URL, token = AGENT_TOKEN): Promise<Client> {
  const client = new Client({ name: 'modern', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
  return client;
}

const call = (client: Client, name: string, meta: Record<string, unknown> = {}) =>
  client.callTool({ name, arguments: {}, _meta: meta });
const inWorkflow = (workflow: string) => ({ 'io.cmcp/call': { workflow_id: workflow } });

/** Holds the server's next answers until `answer` is called; `reached` resolves when the first is asked for. */
function holdAnswers(bed: TestBed): { reached: Promise<void>; answer: () => void } {
  const reached = Promise.withResolvers<void>();
  const held = Promise.withResolvers<Record<string, unknown>>();
  bed.server.answer = () => {
    reached.resolve();
    return held.promise;
  };
  return { reached: reached.promise, answer: () => held.resolve(text('late')) };
}

const operate = (bed: TestBed, sessionId: string, action: string) =>
  bed.operator('POST', `/operator/v1/sessions/${sessionId}/${action}`, { reason: 'test' });

test('parallel first calls of one agent open one session', () =>
  scene('', async ({ log, url }) => {
    const client = await stateless(url);
    const opening = log.hold('openSession');
    const calls = [call(client, 'echo'), call(client, 'echo'), call(client, 'echo')];
    await opening.reached;
    opening.letGo();
    const sessions = new Set((await Promise.all(calls)).map((result) => callMeta(result).session_id));
    assert.equal(sessions.size, 1);
    await client.close();
  }));

test('a session that cannot be opened leaves nothing behind: the next call opens one', () =>
  scene('sessions: { max_open: 1 }', async ({ log, url }) => {
    const client = await stateless(url);
    log.failNext('openSession', new GatewayError('INTERNAL_ERROR', 'not now'));
    assert.equal((await refused(call(client, 'echo'))).data.error_code, 'INTERNAL_ERROR');
    assert.ok(await call(client, 'echo'));
    await client.close();
  }));

test('sessions that are being opened count against the bound, and are not evicted [LIFE-02]', () =>
  scene('sessions: { max_open: 1 }', async ({ bed, log, started, url }) => {
    const client = await stateless(url);
    const opening = log.hold('openSession');
    const first = call(client, 'echo', inWorkflow('a'));
    await opening.reached;
    const second = await refused(call(client, 'echo', inWorkflow('b')));
    assert.equal(second.data.error_code, 'TOO_MANY_SESSIONS');
    opening.letGo();
    await first;
    await call(client, 'echo', inWorkflow('c'));
    assert.equal(log.mostOpen, 2, 'one session and the chain of the gateway');
    await client.close();
    await bed.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const entry = bundle.entries.find((candidate) => candidate.action === 'call.refused');
    assert.deepEqual(
      [entry?.caller, entry?.detail?.error_code, entry?.detail?.name],
      ['agent', 'TOO_MANY_SESSIONS', 'echo'],
    );
  }));

test('a session with a call in flight makes no room for another [LIFE-02]', () =>
  scene('sessions: { max_open: 1 }', async ({ bed, url }) => {
    const client = await stateless(url);
    const held = holdAnswers(bed);
    const first = call(client, 'echo', inWorkflow('a'));
    await held.reached;
    assert.equal((await refused(call(client, 'echo', inWorkflow('b')))).data.error_code, 'TOO_MANY_SESSIONS');
    held.answer();
    await first;
    assert.ok(await call(client, 'echo', inWorkflow('b')));
    await client.close();
  }));

test('of several idle sessions the one that was used longest ago makes room [LIFE-02]', () =>
  scene('sessions: { max_open: 2 }', async ({ started, time, url }) => {
    const client = await stateless(url);
    const used = async (workflow: string): Promise<string> => {
      time.advance(500);
      return callMeta(await call(client, 'echo', inWorkflow(workflow))).session_id;
    };
    const a = await used('a');
    const b = await used('b');
    assert.equal(await used('a'), a);
    await used('c');
    assert.equal((await verifyStored(started, b)).verdict, 'verified');
    assert.equal(await used('a'), a, 'still open');
    await client.close();
  }));

test('while a session waits for its last call, its transport, its agent and its handle get no other call into it', () =>
  scene('sessions: { max_age: 15m }', async ({ bed, started, time, url }) => {
    const transport = await bed.client(url);
    const client = await stateless(url);
    const held = holdAnswers(bed);
    const last = [call(transport, 'echo'), call(client, 'echo')];
    await held.reached;
    const rows = (await bed.operator('GET', '/operator/v1/sessions')).body.sessions as Record<string, string>[];
    const ids = rows.filter((row) => row.kind === 'session').map((row) => row.session_id ?? '');
    assert.equal(ids.length, 2);
    time.advance(16 * 60_000);
    bed.server.answer = () => text('ok');
    const [afterTransport, afterClient] = [
      callMeta(await call(transport, 'echo')),
      callMeta(await call(client, 'echo')),
    ];
    for (const id of ids) {
      assert.notEqual(afterTransport.session_id, id);
      assert.notEqual(afterClient.session_id, id);
      const handled = await refused(call(client, 'echo', { 'io.cmcp/session': id }));
      assert.equal(handled.data.error_code, 'SESSION_UNKNOWN');
      assert.equal((await operate(bed, id, 'reset')).status, 404);
    }
    held.answer();
    await Promise.all(last);
    for (const id of ids) {
      await closedFile(started, id);
      assert.equal((await callEntries(started, id)).length, 1);
    }
    await client.close();
  }));

test('a handle that no session has is refused, and entered in the chain of the gateway', () =>
  scene('', async ({ bed, started, url }) => {
    const client = await stateless(url);
    const invented = '00000000-0000-4000-8000-000000000000';
    assert.equal(
      (await refused(call(client, 'echo', { 'io.cmcp/session': invented }))).data.error_code,
      'SESSION_UNKNOWN',
    );
    await client.close();
    await bed.stop();
    const { bundle } = await sessionFile(started, started.gatewaySession);
    const entry = bundle.entries.find((candidate) => candidate.action === 'call.refused');
    assert.deepEqual([entry?.caller, entry?.detail?.error_code], ['agent', 'SESSION_UNKNOWN']);
  }));

test('a reset that races with a close is in the chain of the session, or does not happen [D-51]', () =>
  scene('sessions: { max_age: 15m }', async ({ bed, log, started, time, url }) => {
    const client = await bed.client(url);
    const { session_id } = callMeta(await call(client, 'customers'));
    const entering = log.hold('append');
    const resetting = operate(bed, session_id, 'reset');
    await entering.reached;
    time.advance(16 * 60_000);
    entering.letGo();
    assert.equal((await resetting).status, 200);
    await closedFile(started, session_id);
    const { bundle } = await sessionFile(started, session_id);
    assert.deepEqual(
      bundle.entries.slice(-2).map((entry) => entry.entry_type),
      ['session_reset', 'session_end'],
    );
    assert.ok(await call(client, 'publish'));
  }));

test('a session whose file cannot be written is over all the same, and its agent is served on', () =>
  scene('', async ({ bed, log, url }) => {
    const client = await bed.client(url);
    const { session_id } = callMeta(await call(client, 'echo'));
    log.failNext('closeSession', new GatewayError('AUDIT_UNAVAILABLE', 'the session file cannot be written'));
    const closed = await operate(bed, session_id, 'close');
    assert.deepEqual([closed.status, closed.body.error_code], [500, 'AUDIT_UNAVAILABLE']);
    assert.notEqual(callMeta(await call(client, 'echo')).session_id, session_id);
    assert.equal((await operate(bed, session_id, 'close')).status, 404);
  }));

test('a session that is due and waits for its last call does not keep others open [LIFE-02]', () =>
  scene('sessions: { idle: 10m, max_age: 15m }', async ({ bed, started, time, url }) => {
    const busy = await stateless(url);
    const held = holdAnswers(bed);
    const last = call(busy, 'echo');
    await held.reached;
    time.advance(16 * 60_000);
    const idle = await stateless(url, OTHER_TOKEN);
    bed.server.answer = () => text('ok');
    const { session_id } = callMeta(await call(idle, 'echo'));
    time.advance(11 * 60_000);
    await closedFile(started, session_id);
    held.answer();
    await closedFile(started, callMeta(await last).session_id);
    await busy.close();
    await idle.close();
  }));

test('a session with a call in flight is not idle, however long the call takes', () =>
  scene('sessions: { idle: 10m, max_age: 12h }', async ({ bed, time, url }) => {
    const client = await stateless(url);
    const held = holdAnswers(bed);
    const slow = call(client, 'echo');
    await held.reached;
    time.advance(60 * 60_000);
    bed.server.answer = () => text('ok');
    const beside = callMeta(await call(client, 'echo')).session_id;
    held.answer();
    assert.equal(callMeta(await slow).session_id, beside);
    time.advance(9 * 60_000);
    assert.equal(callMeta(await call(client, 'echo')).session_id, beside, 'idle time counts from its last use');
    await client.close();
  }));

test('a successor names its predecessor, also across a restart', () =>
  scene('', async ({ bed, started, url }) => {
    const first = await bed.client(url);
    const before = callMeta(await call(first, 'echo')).session_id;
    await bed.stop();
    const again = await bed.start();
    const second = await bed.client(again.url);
    const after = callMeta(await call(second, 'echo')).session_id;
    await endSession(second);
    const { bundle, claim } = await sessionFile(again.started, after);
    assert.equal(bundle.entries[0]?.detail?.previous_session, before);
    assert.equal(bundle.entries[0]?.detail?.prev_claim_hash, claim.gateway.prev_claim_hash);
    const { bundle: old } = await sessionFile(started, before);
    assert.deepEqual(
      [old.entries[0]?.detail?.previous_session, old.entries[0]?.detail?.prev_claim_hash],
      ['none', 'none'],
    );
  }));

test('an activation brings nothing back that somebody was closing, and none begins after the gateway has begun to stop', () => {
  const log = new GatedLog();
  return withBed({ tools: [{ name: 'echo' }], deps: { openLog: log.openLog } }, async (bed) => {
    const { gateway, url } = await bed.start();
    const client = await bed.client(url);
    const held = log.hold('closeSession');
    const ended = endSession(client);
    await held.reached;
    const policyEntered = log.hold('append');
    const reloaded = gateway.reload();
    await policyEntered.reached;
    const catalogEntered = log.hold('append');
    policyEntered.letGo();
    await catalogEntered.reached;
    catalogEntered.letGo();
    // The activation has closed what it found by the time that it waits for what it found closing.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    held.letGo();
    await Promise.all([ended, reloaded]);
    const open = async () => {
      const { body } = await bed.operator('GET', '/operator/v1/sessions');
      return (body.sessions as { kind: string; state: string }[]).filter(
        ({ kind, state }) => kind === 'session' && state === 'open',
      );
    };
    assert.deepEqual(await open(), [], 'the client had ended it');
    const stopped = gateway.stop();
    await assert.rejects(gateway.reload(), { code: 'SHUTTING_DOWN' });
    await stopped;
  });
});
