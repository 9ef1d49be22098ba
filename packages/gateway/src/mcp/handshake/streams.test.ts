/** What is said before an answer, and outside of any: streams of POST and GET, and how they go on after a lost connection. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { echo, type FakeGovernedGateway } from '../../../../../tests/support/fake-governed.ts';
import {
  ALICE,
  BOB,
  errorOf,
  inSession,
  type OpenStream,
  open,
  type Sent,
  send,
  serve,
  stream,
} from '../../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import type { Notice } from '../types.ts';

const call = (id: number | string, meta: JsonObject = {}, name = 'echo') => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: {}, _meta: meta },
});
const progress = (value: number, more: Partial<Notice> = {}): Notice =>
  ({ kind: 'progress', progress: value, total: null, message: null, ...more }) as Notice;
const log = (level: 'debug' | 'warning', data: string): Notice => ({ kind: 'log', level, logger: null, data });
const listen = (session: string, more: Record<string, string> = {}): Sent => ({
  ...inSession(session, '', { headers: more }),
  method: 'GET',
  body: undefined as never,
});
const as = (version: string): Sent => ({ headers: { 'MCP-Protocol-Version': version } });
const RESULT = { content: [{ type: 'text', text: '{}' }], _meta: { 'io.cmcp/call': { call_id: 'call-1' } } };

/** A call whose end a test decides on. */
function held(gateway: FakeGovernedGateway): { release: () => void } {
  const gate = Promise.withResolvers<void>();
  const before = gateway.onCall;
  gateway.onCall = async (each) => {
    await before(each);
    await gate.promise;
    return echo(each);
  };
  return { release: () => gate.resolve() };
}

test('an answer that nothing precedes is JSON', async (t) => {
  const { port } = await serve(t);
  const answer = await send(port, inSession(await open(port), call(1, { progressToken: 1 })));
  assert.equal(answer.headers['content-type'], 'application/json');
});

test('what a server says of a call comes before its answer, on a stream of its own, with the token as it was given [MCP25-14] [ATK-20] [MCP26-31]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  gateway.onCall = async (each) => {
    for (const value of [0.5, 0.5, 0.25, Number.NaN, 1])
      each.client.notify(progress(value, { total: 1, message: 'm' } as never));
    each.client.notify(log('debug', 'detail'));
    return echo(each);
  };
  for (const progressToken of [7, '7', '']) {
    const answered = await stream(port, inSession(session, call(1, { progressToken })));
    assert.deepEqual(
      [answered.status, answered.headers['content-type'], answered.headers['x-accel-buffering']],
      [200, 'text/event-stream', 'no'],
    );
    const messages = (await answered.rest()).map(({ message }) => message).filter((message) => message !== null);
    const told = (value: number) => ({ progressToken, progress: value, total: 1, message: 'm' });
    assert.deepEqual(messages, [
      // It goes up, or it is not said.
      { jsonrpc: '2.0', method: 'notifications/progress', params: told(0.5) },
      { jsonrpc: '2.0', method: 'notifications/progress', params: told(1) },
      { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'debug', data: 'detail' } },
      { jsonrpc: '2.0', id: 1, result: RESULT },
    ]);
  }
});

test('nothing is said of a call that nobody asked to hear of, and nothing after its answer [MCP26-31]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  let late: (notice: Notice) => void = () => {};
  gateway.onCall = async (each) => {
    late = (notice) => each.client.notify(notice);
    late(progress(1));
    return echo(each);
  };
  const answer = await send(port, inSession(session, call(1)));
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(gateway.calls[0]?.client.wantsProgress, false);
  late(log('warning', 'too late'));
  assert.equal((await send(port, inSession(session, call(1)))).headers['content-type'], 'application/json');
  for (const progressToken of [{}, [1], null, 1.5]) {
    const refused = await send(port, inSession(session, call(1, { progressToken })));
    assert.equal(errorOf(refused).code, -32602);
  }
});

test('a client that takes no stream is told nothing and asked nothing, and gets its answer', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port, ALICE, '2025-11-25', { sampling: {}, elicitation: {}, roots: {} });
  gateway.onCall = async (each) => {
    each.client.notify(progress(1));
    each.client.notify(log('warning', 'x'));
    await assert.rejects(each.client.ask?.({ kind: 'list_roots', params: {} }, each.signal) ?? Promise.resolve(), {
      code: 'ASK_UNANSWERED',
    });
    return echo(each);
  };
  const headers = { Accept: 'application/json' };
  const answer = await send(port, inSession(session, call(1, { progressToken: 1 }), { headers }));
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/json']);
  const { client } = gateway.calls[0] ?? assert.fail();
  assert.deepEqual([client.wantsProgress, client.logLevel], [false, null]);
  assert.ok(Object.values(client.abilities).every((able) => !able));
});

test('the level that a session sets is the least that it is told; before that it is told everything [MCP25-18]', async (t) => {
  const { port, gateway } = await serve(t);
  const [loud, quiet] = [await open(port), await open(port)];
  const levels: unknown[] = [];
  gateway.onCall = async (each) => {
    levels.push(each.client.logLevel);
    each.client.notify(log('debug', 'fine'));
    each.client.notify(log('warning', 'grave'));
    return echo(each);
  };
  const setLevel = (level: unknown) => ({ jsonrpc: '2.0', id: 2, method: 'logging/setLevel', params: { level } });
  assert.deepEqual((await send(port, inSession(quiet, setLevel('warning') as never))).json.result, {});
  for (const level of ['loud', 'WARNING', 4, null, undefined]) {
    assert.equal(errorOf(await send(port, inSession(quiet, setLevel(level) as never))).code, -32602);
  }
  const told = async (session: string): Promise<unknown[]> => {
    const events = await (await stream(port, inSession(session, call(1)))).rest();
    const told = events.map(({ message }) => message?.params as JsonObject | undefined);
    return told.filter((params) => params !== undefined).map(({ data }) => data);
  };
  assert.deepEqual(await told(loud), ['fine', 'grave']);
  assert.deepEqual(await told(quiet), ['grave']);
  assert.deepEqual(levels, ['debug', 'warning']);
});

test('a flood of notices is cut, and does not hold up the answer [MCP26-31]', async (t) => {
  const time = new ManualTime();
  const { port, gateway } = await serve(t, { clock: time, timers: time });
  const session = await open(port);
  gateway.onCall = async (each) => {
    for (let i = 0; i < 5_000; i++) each.client.notify(log('warning', `${i}`));
    time.advance(1_000);
    for (let i = 0; i < 5_000; i++) each.client.notify(log('warning', `${i}`));
    return echo(each);
  };
  const events = await (await stream(port, inSession(session, call(1)))).rest();
  const notices = events.filter(({ message }) => message?.method === 'notifications/message');
  assert.equal(notices.length, 150);
  assert.equal(events.at(-1)?.message?.id, 1);
});

test('a call that takes long becomes a stream with signs of life, whose events begin with one to resume from [MCP25-10]', async (t) => {
  const time = new ManualTime();
  const { port, gateway } = await serve(t, { clock: time, timers: time });
  const session = await open(port);
  const { release } = held(gateway);
  const called = gateway.called();
  const opened = stream(port, inSession(session, call(1)));
  await called;
  time.advance(15_000);
  const answer = await opened;
  const first = await answer.block();
  assert.match(first?.id ?? '', /^[A-Za-z0-9_-]{22}-0$/);
  assert.deepEqual([first?.retry, first?.message], ['1000', null]);
  time.advance(15_000);
  assert.deepEqual(await answer.block(), { comment: 'keep-alive', message: null });
  release();
  assert.deepEqual(await answer.next(), { jsonrpc: '2.0', id: 1, result: RESULT });
  assert.equal(await answer.next(), null);
});

test('revisions before 2025-11-25 get no event without a message [MCP25-10]', async (t) => {
  const { port, gateway } = await serve(t);
  gateway.onCall = async (each) => {
    each.client.notify(progress(1));
    return echo(each);
  };
  for (const version of ['2025-06-18', '2025-03-26']) {
    const session = await open(port, ALICE, version);
    const sent = inSession(session, call(1, { progressToken: 1 }), as(version));
    const events = await (await stream(port, sent)).rest();
    assert.deepEqual(
      events.map(({ id, message }) => [id?.split('-').at(-1), message?.method ?? message?.id]),
      [
        ['0', 'notifications/progress'],
        ['1', 1],
      ],
    );
  }
});

test('a lost connection cancels nothing: the call goes on, and its answer is fetched by resuming [MCP25-10] [MCP25-13]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  gateway.onCall = async (each) => {
    each.client.notify(progress(1));
    return echo(each);
  };
  const { release } = held(gateway);
  const answer = await stream(port, inSession(session, call('lost', { progressToken: 1 })));
  const primer = await answer.block();
  const told = await answer.block();
  assert.equal(told?.message?.method, 'notifications/progress');
  answer.close();
  release();
  // What came after the event that is named, on that stream and no other.
  const after = async (id: string | undefined): Promise<unknown[]> => {
    const resumed = await stream(port, listen(session, { 'Last-Event-ID': id ?? '' }));
    assert.equal(resumed.headers['content-type'], 'text/event-stream');
    const messages = (await resumed.rest()).map(({ message }) => message).filter((message) => message !== null);
    return messages.map((message) => message.method ?? message.id);
  };
  assert.deepEqual(await after(told?.id), ['lost']);
  assert.deepEqual(await after(primer?.id), ['notifications/progress', 'lost']);
  assert.equal(gateway.calls[0]?.signal.aborted, false);
});

test('a stream that is resumed while its call runs goes on live, on the newest connection only [MCP25-10]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  gateway.onCall = async (each) => {
    each.client.notify(progress(1));
    return echo(each);
  };
  const { release } = held(gateway);
  const first = await stream(port, inSession(session, call(1, { progressToken: 1 })));
  const primer = await first.block();
  const second = await stream(port, listen(session, { 'Last-Event-ID': primer?.id ?? '' }));
  assert.equal((await second.next())?.method, 'notifications/progress');
  // The connection that was taken over has ended without the answer.
  assert.deepEqual(
    (await first.rest()).map(({ message }) => message?.method),
    ['notifications/progress'],
  );
  release();
  assert.equal((await second.next())?.id, 1);
  assert.equal(await second.next(), null);
});

test('an event of another session, of another caller, or of nobody is refused; where nothing follows, the client is told to stop [MCP25-08] [MCP25-10]', async (t) => {
  const { port, gateway } = await serve(t);
  const [mine, other] = [await open(port), await open(port)];
  gateway.onCall = async (each) => {
    each.client.notify(progress(1));
    return echo(each);
  };
  const events = await (await stream(port, inSession(mine, call(1, { progressToken: 1 })))).rest();
  const id = events[0]?.id ?? '';
  const last = events.at(-1)?.id ?? '';
  const bad = ['', 'x', '0-0', `${id}0`, id.replace(/0$/, '9'), id.replace(/-0$/, '--0'), id.replace(/-0$/, '-00')];
  for (const [session, eventId] of [[other, id], ...bad.map((each) => [mine, each])] as [string, string][]) {
    const answer = await send(port, listen(session, { 'Last-Event-ID': eventId }));
    assert.deepEqual([answer.status, errorOf(answer).data.header], [400, 'Last-Event-ID'], eventId);
  }
  const stolen = await send(port, { ...listen(mine, { 'Last-Event-ID': id }), credential: BOB });
  assert.equal(stolen.status, 404);
  const twice = await send(port, { ...listen(mine), headers: { ...listen(mine).headers, 'Last-Event-ID': [id, id] } });
  assert.equal(twice.status, 400);
  const over = await send(port, listen(mine, { 'Last-Event-ID': last }));
  assert.deepEqual([over.status, over.text], [204, '']);
});

test('what can be sent again is bounded in number and time, and what is not complete is refused [MCP25-10]', async (t) => {
  const time = new ManualTime();
  const { port, gateway } = await serve(t, { clock: time, timers: time, sessions: { idleMs: 3_600_000, maxOpen: 10 } });
  const session = await open(port);
  gateway.onCall = async (each) => {
    for (let i = 1; i <= 90; i++) each.client.notify(progress(i));
    return echo(each);
  };
  const ids: string[][] = [];
  for (let i = 0; i < 4; i++) {
    const events = await (await stream(port, inSession(session, call(1, { progressToken: 1 })))).rest();
    ids.push(events.map(({ id }) => id ?? ''));
  }
  const [oldest, , , newest] = ids;
  // Four streams of 92 events: the oldest is gone, the newest is whole.
  assert.equal((await send(port, listen(session, { 'Last-Event-ID': oldest?.[0] ?? '' }))).status, 400);
  const again = await (await stream(port, listen(session, { 'Last-Event-ID': newest?.[0] ?? '' }))).rest();
  assert.equal(again.filter(({ message }) => message !== null).length, 91);
  time.advance(300_000);
  assert.equal((await send(port, listen(session, { 'Last-Event-ID': newest?.[0] ?? '' }))).status, 400);
});

test('a change of a list is told on the stream of GET, to sessions that were offered the list [LIFE-08] [LIFE-10]', async (t) => {
  const { port, gateway } = await serve(t);
  gateway.offers.set('bob', { tools: true, resources: false, prompts: false, completions: false, instructions: null });
  const [alice, bob] = [await open(port), await open(port, BOB)];
  const heard = await stream(port, listen(alice));
  const less = await stream(port, { ...listen(bob), credential: BOB });
  for (const each of [heard, less]) await each.block();
  for (const kind of ['prompts', 'resources', 'tools'] as const) gateway.change(kind);
  for (const kind of ['prompts', 'resources', 'tools']) {
    assert.deepEqual(await heard.next(), { jsonrpc: '2.0', method: `notifications/${kind}/list_changed` });
  }
  assert.deepEqual(await less.next(), { jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
  heard.close();
  less.close();
});

test('what belongs to no request is said on one stream only, and again after a lost connection [MCP25-10] [LIFE-08]', async (t) => {
  const { port, gateway } = await serve(t);
  const session = await open(port);
  // Nobody listens yet: nothing is kept for them.
  gateway.change('tools');
  gateway.onCall = async (each) => {
    each.client.notify(progress(1));
    gateway.change('prompts');
    return echo(each);
  };
  const heard = await stream(port, listen(session));
  assert.equal((await heard.block())?.comment, 'open');
  const primer = await heard.block();
  assert.match(primer?.id ?? '', /-0$/);
  const answer = await (await stream(port, inSession(session, call(1, { progressToken: 1 })))).rest();
  assert.equal(answer.filter(({ message }) => message?.method === 'notifications/prompts/list_changed').length, 0);
  const event = await heard.block();
  assert.equal(event?.message?.method, 'notifications/prompts/list_changed');
  heard.close();
  gateway.change('resources');
  const resumed = await stream(port, listen(session, { 'Last-Event-ID': event?.id ?? '' }));
  assert.equal((await resumed.next())?.method, 'notifications/resources/list_changed');
  gateway.change('tools');
  assert.equal((await resumed.next())?.method, 'notifications/tools/list_changed');
  resumed.close();
});

/** Reads the stream of a session until it is asked whether it is there. */
async function untilPing(heard: OpenStream): Promise<JsonObject> {
  const message = (await heard.next()) ?? assert.fail('the stream ended');
  assert.equal(message.method, 'ping');
  return message;
}

test('a client that listens is asked whether it is there, and its stream ends when it does not say so [MCP25-04] [LIFE-01]', async (t) => {
  const time = new ManualTime();
  const { port } = await serve(t, { clock: time, timers: time });
  const session = await open(port);
  const heard = await stream(port, listen(session));
  for (const block of ['open', undefined]) assert.equal((await heard.block())?.comment, block);
  time.advance(60_000);
  const { id } = await untilPing(heard);
  assert.equal((await send(port, inSession(session, { jsonrpc: '2.0', id: id ?? null, result: {} }))).status, 202);
  time.advance(60_000);
  await untilPing(heard);
  time.advance(30_000);
  const rest = await heard.rest();
  assert.equal(rest.at(-1)?.message?.method, 'notifications/cancelled');
  assert.equal((await send(port, inSession(session, { jsonrpc: '2.0', id: 1, method: 'ping' }))).status, 200);
});

test('a resumed stream of a call is not asked whether it is there: it has its call to wait for [MCP25-10]', async (t) => {
  const time = new ManualTime();
  const { port, gateway } = await serve(t, { clock: time, timers: time });
  const session = await open(port);
  gateway.onCall = async (each) => {
    each.client.notify(progress(1));
    return echo(each);
  };
  const { release } = held(gateway);
  const lost = await stream(port, inSession(session, call(1, { progressToken: 1 })));
  const primer = await lost.block();
  lost.close();
  const resumed = await stream(port, listen(session, { 'Last-Event-ID': primer?.id ?? '' }));
  assert.equal((await resumed.next())?.method, 'notifications/progress');
  time.advance(60_000);
  time.advance(30_000);
  release();
  assert.equal((await resumed.next())?.id, 1);
});

test('GET needs to say that it takes a stream [MCP25-06]', async (t) => {
  const { port } = await serve(t);
  const session = await open(port);
  for (const Accept of ['application/json', 'text/event-stream;q=0', 'text/html, application/json']) {
    assert.equal((await send(port, listen(session, { Accept }))).status, 406, Accept);
  }
  const unsaid = { method: 'GET', headers: { 'Mcp-Session-Id': session, Accept: [] as string[] } };
  assert.equal((await send(port, unsaid)).status, 406);
});

test('the streams that one caller holds open are bounded, and somebody else is not kept out [G5]', async (t) => {
  const { port } = await serve(t, { sessions: { idleMs: 60_000, maxOpen: 600 } });
  const streams: OpenStream[] = [];
  for (let i = 0; i < 256; i++) {
    const heard = await stream(port, listen(await open(port)));
    await heard.block();
    streams.push(heard);
  }
  const one = await open(port);
  const refused = await send(port, listen(one));
  assert.deepEqual([refused.status, errorOf(refused).data.error_code], [503, 'OVERLOADED']);
  const bobs = await stream(port, { ...listen(await open(port, BOB)), credential: BOB });
  assert.equal(bobs.status, 200);
  bobs.close();
  // One that takes over from a lost connection frees what that held.
  streams[0]?.close();
  streams[1]?.close();
  let status = 503;
  while (status === 503) {
    const again = await stream(port, listen(one));
    status = again.status;
    again.close();
  }
  assert.equal(status, 200);
  for (const each of streams) each.close();
});

test('an interim answer is never given to a client that could not take it', async (t) => {
  const { port, gateway, faults } = await serve(t);
  gateway.onCall = async () => ({ kind: 'result', type: 'input_required', result: { inputRequests: {} } });
  const answer = await send(port, inSession(await open(port), call(1)));
  assert.equal(errorOf(answer).code, -32603);
  assert.equal(faults.length, 1);
});
