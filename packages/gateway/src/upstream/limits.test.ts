import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { manualTimers } from '../../../../tests/support/manual-timers.ts';
import {
  answerJson,
  connect,
  failsWith,
  fakeHttp,
  nodeServer,
  opening,
  type Received,
  resultFor,
  scripted,
  textOf,
  textResult,
} from '../../../../tests/support/upstreams.ts';
import type { CatalogServer } from '../catalog/types.ts';

const LIMITS = { timeout: 30_000 };

/** A server that holds calls until it is told to answer them; those named `quick` it answers at once. */
async function holding(t: TestContext) {
  const open = opening('modern');
  const held: Received[] = [];
  let look = () => {};
  const server = await fakeHttp(t, (request) => {
    if (open(request)) return;
    if (request.message.params?.name === 'quick') return answer(request);
    held.push(request);
    look();
  });
  const answer = ({ message, response }: Received) => answerJson(response, resultFor(message, textResult('ok')));
  /** Resolves once so many calls are held. */
  const reached = (count: number) =>
    new Promise<void>((resolve) => {
      look = () => {
        if (held.length >= count) resolve();
      };
      look();
    });
  return { server, held, reached, answer };
}

test('a server is sent so many calls at once, and the others wait their turn [LIFE-03]', LIMITS, async (t) => {
  const { server, held, reached, answer } = await holding(t);
  const { call, list } = connect(t, server.transport, { concurrency: 2 });
  await list();
  const calls = ['a', 'b', 'c', 'd'].map((name) => call(name));
  await reached(2);
  // Lists take their turn too.
  const listed = list();
  for (let next = 0; next < 4; next += 1) {
    await reached(next + 1);
    assert.ok(held.length <= next + 2);
    answer(held[next] ?? assert.fail());
    await calls[next];
  }
  await listed;
  assert.deepEqual(
    held.map(({ message }) => message.params?.name),
    ['a', 'b', 'c', 'd'],
  );
});

test('a call that waits is within its own time, and nothing of it was sent [MCP26-32]', LIMITS, async (t) => {
  const { timers, fire } = manualTimers();
  const { server, held, reached, answer } = await holding(t);
  const { call, list } = connect(t, server.transport, { concurrency: 1, timeoutMs: 5000 }, { timers });
  await list();
  const first = call('first');
  await reached(1);
  const controller = new AbortController();
  const cancelled = assert.rejects(call('gone', {}, { signal: controller.signal }), failsWith('CALL_CANCELLED'));
  controller.abort();
  await cancelled;
  const late = assert.rejects(call('late'), failsWith('UPSTREAM_UNAVAILABLE', /nothing was sent/));
  await fire(5000, 'last');
  await late;
  answer(held[0] ?? assert.fail());
  await first;
  // Neither holds a place any more.
  assert.equal(textOf(await call('quick')), 'ok');
  assert.equal(held.length, 1);
});

test('so many calls wait for a server and no more [LIFE-03]', LIMITS, async (t) => {
  const { server, held, reached } = await holding(t);
  const { call, upstream } = connect(t, server.transport, { concurrency: 1 });
  const first = assert.rejects(call('first'));
  await reached(1);
  const waiting = Array.from({ length: 256 }, () => assert.rejects(call('waits')));
  await assert.rejects(call('one more'), failsWith('UPSTREAM_UNAVAILABLE', /too many/));
  await upstream.close();
  await Promise.all([first, ...waiting]);
  assert.equal(held.length, 1);
});

test('one slow server holds up nobody but its own callers [LIFE-03]', LIMITS, async (t) => {
  const slow = await holding(t);
  const quick = connect(t, scripted(''));
  const held = connect(t, slow.server.transport, { concurrency: 1 });
  const pending = [1, 2, 3].map(() => assert.rejects(held.call('t')));
  await slow.reached(1);
  assert.equal(textOf(await quick.call('t')), '{}');
  await held.upstream.close();
  await Promise.all(pending);
});

/** A server that fails calls or answers them, as a test says. */
async function failing(t: TestContext) {
  const open = opening('modern');
  const state = { how: 'drop' as 'drop' | 'ok' | 'error' | 'hold' };
  const held: Received[] = [];
  const server = await fakeHttp(t, (request) => {
    const { message, response } = request;
    if (open(request)) return;
    if (state.how === 'drop') response.destroy();
    else if (state.how === 'hold') held.push(request);
    else if (state.how === 'ok') answerJson(response, resultFor(message, textResult('ok')));
    else answerJson(response, { jsonrpc: '2.0', id: message.id, error: { code: -32603, message: 'no' } });
  });
  const calls = () => server.received.filter(({ message }) => message.method === 'tools/call').length;
  return { server, state, held, calls };
}

test(
  'a server that fails every call is left alone for a while, then tried with one; each pause is longer [LIFE-03]',
  LIMITS,
  async (t) => {
    const { timers, advance } = manualTimers();
    const { server, state, held, calls } = await failing(t);
    const { call, log, list } = connect(t, server.transport, {}, { timers });
    for (let i = 0; i < 8; i += 1) await assert.rejects(call('t'), failsWith('OUTCOME_UNKNOWN'));
    const refused = (ask: Promise<unknown>) =>
      assert.rejects(ask, failsWith('UPSTREAM_UNAVAILABLE', /several times in a row/));
    await refused(call('t'));
    await refused(list());
    assert.equal(calls(), 8);
    for (const pause of [1000, 2000]) {
      advance(pause - 1);
      await refused(call('t'));
      advance(1);
      await assert.rejects(call('t'), failsWith('OUTCOME_UNKNOWN'));
      await refused(call('t'));
    }
    assert.equal(calls(), 10);
    advance(4000);
    state.how = 'hold';
    const trial = call('t');
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await refused(call('t'));
    state.how = 'ok';
    const [{ message, response } = assert.fail()] = held;
    answerJson(response, resultFor(message, textResult('back')));
    assert.equal(textOf(await trial), 'back');
    await call('t');
    assert.deepEqual(
      log.filter(({ event }) => event.startsWith('breaker')).map(({ event, detail }) => [event, detail]),
      [
        ['breaker_open', '8 failures in a row; nothing is sent for 1000 ms'],
        ['breaker_open', '9 failures in a row; nothing is sent for 2000 ms'],
        ['breaker_open', '10 failures in a row; nothing is sent for 4000 ms'],
        ['breaker_closed', 'the server answers again'],
      ],
    );
  },
);

test(
  'an error that the server answers with is an answer, and one answer among failures is enough [LIFE-03]',
  LIMITS,
  async (t) => {
    const { server, state, calls } = await failing(t);
    const { call } = connect(t, server.transport);
    for (let round = 0; round < 3; round += 1) {
      state.how = 'drop';
      for (let i = 0; i < 7; i += 1) await assert.rejects(call('t'), failsWith('OUTCOME_UNKNOWN'));
      state.how = 'error';
      await assert.rejects(call('t'), failsWith('UPSTREAM_TOOL_ERROR'));
    }
    for (let i = 0; i < 20; i += 1) await assert.rejects(call('t'), failsWith('UPSTREAM_TOOL_ERROR'));
    assert.equal(calls(), 44);
  },
);

test('a trial that its caller cancels tells nothing, and the next call is the trial [LIFE-03]', LIMITS, async (t) => {
  const { timers, advance } = manualTimers();
  const { server, state, held } = await failing(t);
  const { call } = connect(t, server.transport, {}, { timers });
  for (let i = 0; i < 8; i += 1) await assert.rejects(call('t'), failsWith('OUTCOME_UNKNOWN'));
  advance(1000);
  state.how = 'hold';
  const controller = new AbortController();
  const trial = assert.rejects(call('t', {}, { signal: controller.signal }), failsWith('CALL_CANCELLED'));
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  await trial;
  state.how = 'drop';
  await assert.rejects(call('t'), failsWith('OUTCOME_UNKNOWN'));
  await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE', /several times in a row/));
});

test('calls that were under way when the server was given up say nothing new [LIFE-03]', LIMITS, async (t) => {
  const { server, state, held } = await failing(t);
  const { call, log } = connect(t, server.transport);
  state.how = 'hold';
  const calls = Array.from({ length: 16 }, () => assert.rejects(call('t'), failsWith('OUTCOME_UNKNOWN')));
  while (held.length < 16) await new Promise((resolve) => setImmediate(resolve));
  for (const { response } of held) response.destroy();
  await Promise.all(calls);
  assert.deepEqual(
    log.filter(({ event }) => event === 'breaker_open').map(({ detail }) => detail),
    ['8 failures in a row; nothing is sent for 1000 ms'],
  );
});

test('calls that nobody can answer time out, and count as failures too [LIFE-03] [MCP26-32]', LIMITS, async (t) => {
  const { timers, fire } = manualTimers();
  const { server, state, held } = await failing(t);
  const { call, logged } = connect(t, server.transport, { timeoutMs: 5000 }, { timers });
  state.how = 'hold';
  for (let i = 0; i < 8; i += 1) {
    const late = assert.rejects(call('t'), failsWith('UPSTREAM_TIMEOUT'));
    while (held.length <= i) await new Promise((resolve) => setImmediate(resolve));
    await fire(5000);
    await late;
  }
  await logged('breaker_open');
  await assert.rejects(call('t'), failsWith('UPSTREAM_UNAVAILABLE', /several times in a row/));
});

test(
  'a server that nobody listens for opens the breaker; one that cannot be started waits on its own [LIFE-12]',
  LIMITS,
  async (t) => {
    const { server } = await failing(t);
    server.stop();
    const gone = connect(t, server.transport);
    for (let i = 0; i < 8; i += 1)
      await assert.rejects(gone.call('t'), failsWith('UPSTREAM_UNAVAILABLE', /connection/));
    await gone.logged('breaker_open');

    const { timers } = manualTimers();
    const missing = '/nonexistent';
    const broken = connect(
      t,
      { ...nodeServer(), command: missing } as CatalogServer['transport'],
      { timeoutMs: 1 },
      { timers },
    );
    for (let i = 0; i < 10; i += 1) await assert.rejects(broken.call('t'), failsWith('UPSTREAM_UNAVAILABLE'));
    assert.ok(broken.log.every(({ event }) => event !== 'breaker_open'));
  },
);
