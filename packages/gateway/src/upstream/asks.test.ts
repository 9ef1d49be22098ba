import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { manualTimers } from '../../../../tests/support/manual-timers.ts';
import {
  ABLE,
  answerJson,
  connect,
  failsWith,
  fakeHttp,
  type Message,
  opening,
  type Received,
  resultFor,
  scripted,
  speaks,
  textOf,
  textResult,
} from '../../../../tests/support/upstreams.ts';
import { GatewayError } from '../errors.ts';
import type { Ask, AskKind } from '../mcp/asks.ts';
import type { Notice } from '../mcp/types.ts';
import type { UpstreamRequest } from './types.ts';

const LIMITS = { timeout: 30_000 };
const ALL: AskKind[] = ['elicit', 'sample', 'list_roots'];
const ELICIT = {
  jsonrpc: '2.0',
  id: 1,
  method: 'elicitation/create',
  params: { message: 'who?', requestedSchema: {} },
};
const event = (message: unknown): string => `data: ${JSON.stringify(message)}\n\n`;

/** A server of a session that opens a stream for each call; what it is told in answer to its own requests is kept. */
async function asking(t: TestContext, onCall: (request: Received) => void, capabilities: unknown = { tools: {} }) {
  const open = opening('handshake', capabilities);
  const answers: Message[] = [];
  let told = () => {};
  const server = await fakeHttp(t, (request) => {
    const { message, response } = request;
    if (open(request)) return;
    if (message.method === undefined) {
      answers.push(message);
      response.writeHead(202).end();
      return told();
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    onCall(request);
  });
  /** Resolves once so many answers came. */
  const answered = (count: number) =>
    new Promise<Message[]>((resolve) => {
      told = () => {
        if (answers.length >= count) resolve(answers);
      };
      told();
    });
  return { server, answered };
}

/** A client that answers everything that it is asked, and keeps it. */
function answering(result: JsonObject = { action: 'accept' }) {
  const asked: Ask[] = [];
  const more: Partial<UpstreamRequest> = {
    abilities: ABLE,
    onAsk: async (ask) => {
      asked.push(ask);
      return result;
    },
  };
  return { asked, more };
}

test(
  'what a server asks on the stream of a call is put to the client of that call, and its answer goes back [MCP25-11]',
  LIMITS,
  async (t) => {
    const { server, answered } = await asking(t, async ({ message, response }) => {
      response.write(event(ELICIT));
      response.write(event({ ...ELICIT, id: '1', method: 'sampling/createMessage', params: { messages: [] } }));
      response.write(event({ ...ELICIT, id: 'r', method: 'roots/list', params: undefined }));
      const answers = await answered(3);
      response.end(event(resultFor(message, textResult(JSON.stringify(answers)))));
    });
    const { asked, more } = answering({ any: 1 });
    const { call } = connect(t, server.transport, {}, { asks: ALL });
    const answers = JSON.parse(textOf(await call('t', {}, more))) as Message[];
    assert.deepEqual(
      answers.sort(
        (a, b) => String(typeof a.id).localeCompare(String(typeof b.id)) || String(a.id).localeCompare(String(b.id)),
      ),
      [1, '1', 'r'].map((id) => ({ jsonrpc: '2.0', id, result: { any: 1 } })),
    );
    assert.deepEqual(asked, [
      { kind: 'elicit', params: ELICIT.params },
      { kind: 'sample', params: { messages: [] } },
      { kind: 'list_roots', params: {} },
    ]);
  },
);

test(
  'a server on a pipe that may ask is sent one request at a time, so that it is clear whom it asks [MCP25-11]',
  LIMITS,
  async (t) => {
    const script = `
    ${speaks('handshake', { tools: {} })}
    let running = 0;
    on.call = (m) => {
      running += 1;
      const most = running;
      raw('{"jsonrpc":"2.0","id":9007199254740993.0,"method":"elicitation/create","params":{"message":"' + m.params.name + '"}}\\n');
      process.stdin.once('data', (line) => { running -= 1; ok(m.id, text(most + ' ' + line)); });
    };`;
    const { call } = connect(t, scripted(script), {}, { asks: ['elicit'] });
    const clients = ['a', 'b', 'c'].map((name) => ({ name, ...answering({ name }) }));
    const texts = await Promise.all(clients.map(({ name, more }) => call(name, {}, more).then(textOf)));
    assert.deepEqual(
      texts,
      ['a', 'b', 'c'].map((name) => `1 {"jsonrpc":"2.0","id":9007199254740993.0,"result":{"name":"${name}"}}\n`),
    );
    for (const { name, asked } of clients) assert.deepEqual(asked, [{ kind: 'elicit', params: { message: name } }]);
  },
);

test('a modern server on a pipe cannot ask that way, so it is not held up', LIMITS, async (t) => {
  const script = `
    ${speaks('modern', { tools: {} })}
    const held = [];
    on.call = (m) => { held.push(m); if (held.length === 2) for (const h of held) ok(h.id, text('both')); };`;
  const { call, list } = connect(t, scripted(script), {}, { asks: ['elicit'] });
  await list();
  assert.deepEqual((await Promise.all([call('a'), call('b')])).map(textOf), ['both', 'both']);
});

test(
  'a server is told that it was refused, and nothing of why: not approved, not able, or declined [MCP25-11] [MCP25-12]',
  LIMITS,
  async (t) => {
    const url = { ...ELICIT, params: { mode: 'url', url: 'https://x.example/' } };
    const tools = { ...ELICIT, method: 'sampling/createMessage', params: { tools: [] } };
    const declining: Partial<UpstreamRequest> = {
      abilities: ABLE,
      onAsk: () => Promise.reject(new GatewayError('POLICY_DENY', 'secret rule 7')),
    };
    const unable = (abilities: Partial<typeof ABLE>) => ({ ...answering().more, abilities: { ...ABLE, ...abilities } });
    for (const [ask, asks, more, error] of [
      [ELICIT, ['sample'], answering().more, { code: -32601, message: 'Method not found' }],
      [{ ...ELICIT, method: 'tools/call' }, ALL, answering().more, { code: -32601, message: 'Method not found' }],
      [
        url,
        ALL,
        unable({ elicitUrl: false }),
        { code: -32602, message: 'The client of this request cannot be asked this' },
      ],
      [
        tools,
        ALL,
        unable({ sampleTools: false }),
        { code: -32601, message: 'The client of this request cannot be asked this' },
      ],
      [ELICIT, ALL, declining, { code: -1, message: 'The request was refused' }],
    ] as const) {
      const { server, answered } = await asking(t, async ({ message, response }) => {
        response.write(event(ask));
        const [answer] = await answered(1);
        response.end(event(resultFor(message, textResult(JSON.stringify(answer)))));
      });
      const { call } = connect(t, server.transport, {}, { asks: [...asks] });
      assert.deepEqual(JSON.parse(textOf(await call('t', {}, more))), { jsonrpc: '2.0', id: 1, error });
    }
  },
);

test('a defect while asking ends the call, and the server learns no more than of a refusal', LIMITS, async (t) => {
  const { server, answered } = await asking(t, ({ response }) => void response.write(event(ELICIT)));
  const { call } = connect(t, server.transport, {}, { asks: ALL });
  const more = { abilities: ABLE, onAsk: () => Promise.reject(new TypeError('oops')) };
  await assert.rejects(call('t', {}, more), (error: Error) => {
    failsWith('INTERNAL_ERROR')(error);
    return error.cause instanceof TypeError;
  });
  const told = (await answered(0)).map(({ error }) => error);
  assert.ok(told.every((error) => JSON.stringify(error) === '{"code":-1,"message":"The request was refused"}'));
});

test('time in which somebody is asked is not counted, all other time is [MCP26-32]', LIMITS, async (t) => {
  const { timers, due, advance, fire } = manualTimers();
  let stream: Received['response'] | undefined;
  const { server, answered } = await asking(t, ({ response }) => {
    stream = response;
    response.write(event(ELICIT));
  });
  const { call, list } = connect(t, server.transport, { timeoutMs: 60_000 }, { asks: ALL, timers });
  await list();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<JsonObject>();
  const onAsk = () => {
    asked.resolve();
    return answer.promise;
  };
  const pending = assert.rejects(call('t', {}, { abilities: ABLE, onAsk }), failsWith('UPSTREAM_TIMEOUT'));
  advance(10_000);
  await asked.promise;
  assert.ok(!due().includes(60_000), 'the clock stands still');
  advance(1_000_000);
  answer.resolve({});
  await answered(1);
  assert.ok(due().includes(50_000), 'what was left is left');
  const closed = once(stream ?? assert.fail(), 'close');
  await fire(50_000);
  await pending;
  await closed;
});

test(
  "a server that takes back what it asked gets no answer, and the call's clock runs again [MCP25-11]",
  LIMITS,
  async (t) => {
    const { server, answered } = await asking(t, async ({ message, response }) => {
      if (message.params?.name === 'next') return void response.end(event(resultFor(message, textResult('next'))));
      response.write(event({ ...ELICIT, id: 'one' }));
      response.write(event({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'other' } }));
      response.write(event({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'one' } }));
      await withdrawn.promise;
      response.end(event(resultFor(message, textResult('done'))));
    });
    const withdrawn = Promise.withResolvers<void>();
    const { call } = connect(t, server.transport, {}, { asks: ALL });
    const onAsk: UpstreamRequest['onAsk'] = async (_, signal) => {
      await once(signal, 'abort');
      withdrawn.resolve();
      return {};
    };
    assert.equal(textOf(await call('t', {}, { abilities: ABLE, onAsk })), 'done');
    await call('next', {}, { abilities: ABLE });
    assert.deepEqual(await answered(0), []);
  },
);

test(
  'time is counted again as soon as an ask is taken back, whether or not anybody stops answering [MCP26-32]',
  LIMITS,
  async (t) => {
    const { timers, due, fire } = manualTimers();
    const { server } = await asking(t, async ({ response }) => {
      response.write(event(ELICIT));
      await asked.promise;
      response.write(event({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }));
    });
    const asked = Promise.withResolvers<void>();
    const { call, list } = connect(t, server.transport, { timeoutMs: 60_000 }, { asks: ALL, timers });
    await list();
    const onAsk = () => {
      assert.ok(!due().includes(60_000));
      asked.resolve();
      return new Promise<JsonObject>(() => {});
    };
    const pending = assert.rejects(call('t', {}, { abilities: ABLE, onAsk }), failsWith('UPSTREAM_TIMEOUT'));
    await asked.promise;
    await fire(60_000);
    await pending;
  },
);

test('nobody is asked any more once a call has its answer, or was given up', LIMITS, async (t) => {
  for (const end of ['answer', 'cancel']) {
    const { server, answered } = await asking(t, async ({ message, response }) => {
      if (message.params?.name === 'next') return void response.end(event(resultFor(message, textResult('next'))));
      response.write(event(ELICIT));
      await asked.promise;
      if (end === 'answer') response.end(event(resultFor(message, textResult('done'))) + event({ ...ELICIT, id: 2 }));
    });
    const asked = Promise.withResolvers<void>();
    const controller = new AbortController();
    const over: Promise<unknown>[] = [];
    const onAsk: UpstreamRequest['onAsk'] = async (_, signal) => {
      over.push(once(signal, 'abort'));
      asked.resolve();
      if (end === 'cancel') controller.abort();
      await over[0];
      return {};
    };
    const { call } = connect(t, server.transport, {}, { asks: ALL });
    const outcome = call('t', {}, { abilities: ABLE, onAsk, signal: controller.signal });
    if (end === 'answer') await outcome;
    else await assert.rejects(outcome, failsWith('CALL_CANCELLED'));
    await Promise.all(over);
    assert.equal(over.length, 1);
    await call('next');
    assert.deepEqual(await answered(0), []);
  }
});

test('a server that asks without end gets a bounded number of asks through', LIMITS, async (t) => {
  const asks = Array.from({ length: 100 }, (_, id) => event({ ...ELICIT, id })).join('');
  const { server, answered } = await asking(t, async ({ message, response }) => {
    // An id that is still in use is no second request.
    response.write(event({ ...ELICIT, id: 0 }) + asks);
    await answered(8);
    response.end(event(resultFor(message, textResult('done'))));
  });
  let asked = 0;
  let most = 0;
  const onAsk = async () => {
    asked += 1;
    most = Math.max(most, asked);
    if (asked === 8) setImmediate(gate.resolve);
    await gate.promise;
    return {};
  };
  const gate = Promise.withResolvers<void>();
  const { call } = connect(t, server.transport, {}, { asks: ALL });
  await call('t', {}, { abilities: ABLE, onAsk });
  assert.equal(most, 8);
});

test('an answer to an ask is not lost to a flood of pings [MCP25-04]', LIMITS, async (t) => {
  const pings = event({ jsonrpc: '2.0', id: 'p', method: 'ping' }).repeat(100);
  const { server, answered } = await asking(t, async ({ message, response }) => {
    response.write(pings + event(ELICIT));
    for (let count = 1; ; count += 1) if ((await answered(count)).some(({ id }) => id === ELICIT.id)) break;
    response.end(event(resultFor(message, textResult('done'))));
  });
  const { call } = connect(t, server.transport, {}, { asks: ALL });
  assert.equal(textOf(await call('t', {}, answering().more)), 'done');
});

test('calls that all wait for an answer leave connections for the answers', LIMITS, async (t) => {
  const calls = 80;
  const waiting: Received[] = [];
  const { server, answered } = await asking(t, async (request) => {
    waiting.push(request);
    // Every connection that a call may have is taken before the first is asked.
    if (waiting.length < calls) return;
    for (const [id, { response }] of waiting.entries()) response.write(event({ ...ELICIT, id }));
    await answered(calls);
    for (const { message, response } of waiting) response.end(event(resultFor(message, textResult('done'))));
  });
  const { call } = connect(t, server.transport, { concurrency: calls }, { asks: ALL });
  await Promise.all(Array.from({ length: calls }, () => call('t', {}, answering().more)));
});

test('what belongs to no one call is refused clearly and never guessed [MCP25-11]', LIMITS, async (t) => {
  const refusal = { code: -32600, message: 'The request belongs to no one call in progress, so nobody can be asked' };
  const script = `
    ${speaks('handshake', { tools: {} })}
    on.list = (m) => { send(${JSON.stringify(ELICIT)}); ok(m.id, { tools: [] }); };
    let told;
    on.other = (m) => { if (m.method === undefined) told = m; };
    on.call = (m) => ok(m.id, text(JSON.stringify(told)));`;
  const { call, list } = connect(t, scripted(script), {}, { asks: ALL });
  const { asked, more } = answering();
  await list();
  assert.deepEqual(JSON.parse(textOf(await call('t', {}, more))), { jsonrpc: '2.0', id: 1, error: refusal });
  assert.deepEqual(asked, []);

  // Over HTTP the stream that belongs to no call is the one that the server may speak on at any time.
  const open = opening('handshake', { tools: {} });
  const refused = Promise.withResolvers<Message>();
  const server = await fakeHttp(t, (request) => {
    const { method, message, response } = request;
    if (method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(event({ jsonrpc: '2.0', id: 'p', method: 'ping' }) + event(ELICIT));
    } else if (message.method === undefined && message.error !== undefined) {
      response.writeHead(202).end();
      refused.resolve(message);
    } else if (!open(request)) response.writeHead(202).end();
  });
  await connect(t, server.transport, {}, { asks: ALL }).list();
  assert.deepEqual((await refused.promise).error, refusal);
});

/** A call that is cancelled as soon as the server says that it has begun. */
function givenUp(): Partial<UpstreamRequest> {
  const controller = new AbortController();
  return { callId: 'hang', signal: controller.signal, wantsProgress: true, onNotice: () => controller.abort() };
}

const BEGUN = `const begun = (m) => send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: m.id, progress: 1 } });`;

test(
  'a pipe on which a call was given up is not trusted to ask for another one, and is replaced [MCP25-11] [LIFE-12]',
  LIMITS,
  async (t) => {
    const script = `
      ${speaks('handshake', { tools: {} })}
      ${BEGUN}
      let asking;
      on.call = (m) => {
        if (m.params.name === 'hang') return begun(m);
        asking = m;
        send(${JSON.stringify(ELICIT)});
      };
      on.other = (m) => { if (m.method === undefined) ok(asking.id, text(process.pid + JSON.stringify(m.result ?? m.error.code))); };`;
    const { call, list, logged } = connect(t, scripted(script), {}, { asks: ALL });
    await list();
    await assert.rejects(call('hang', {}, givenUp()), failsWith('CALL_CANCELLED'));
    const { asked, more } = answering({ ok: true });
    const [, first, answer] = /^(\d+)(.*)$/.exec(textOf(await call('t', {}, more))) ?? [];
    assert.deepEqual([answer, asked], ['-32600', []]);
    await logged('ended');
    await list();
    const [, second, given] = /^(\d+)(.*)$/.exec(textOf(await call('t', {}, more))) ?? [];
    assert.equal(given, '{"ok":true}');
    assert.notEqual(second, first);
  },
);

test('of more given up than are kept it is still known that there were some [MCP25-11]', LIMITS, async (t) => {
  const script = `
    ${speaks('handshake', { tools: { listChanged: true } })}
    const held = [];
    on.call = (m) => {
      const { name } = m.params;
      if (name === 'hang') held.push(m);
      if (name === 'hang' && held.length === 1001) send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
      if (name === 'hang') return;
      if (name === 'late') for (const h of held) ok(h.id, text('late'));
      send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'error', data: 'whose?' } });
      ok(m.id, text('ok'));
    };`;
  const { call, upstream } = connect(t, scripted(script), { concurrency: 2000 });
  const controller = new AbortController();
  const { signal } = controller;
  const begun = new Promise((resolve) => upstream.onChanged(resolve));
  const hanging = Array.from({ length: 1001 }, () => assert.rejects(call('hang', {}, { signal })));
  await begun;
  controller.abort();
  await Promise.all(hanging);
  await call('late');
  const heard: Notice[] = [];
  await call('t', {}, { logLevel: 'debug', onNotice: (notice) => void heard.push(notice) });
  assert.deepEqual(heard, []);
});

test('a late answer to a call that was given up makes the pipe clear again [MCP25-11]', LIMITS, async (t) => {
  const script = `
    ${speaks('handshake', { tools: {} })}
    ${BEGUN}
    let held, asking;
    on.call = (m) => {
      if (m.params.name === 'hang') return begun((held = m));
      asking = m;
      ok(held.id, text('late'));
      send(${JSON.stringify(ELICIT)});
    };
    on.other = (m) => { if (m.method === undefined) ok(asking.id, text(JSON.stringify(m.result))); };`;
  const { call, list } = connect(t, scripted(script), {}, { asks: ALL });
  await list();
  await assert.rejects(call('hang', {}, givenUp()), failsWith('CALL_CANCELLED'));
  assert.equal(textOf(await call('t', {}, answering({ ok: true }).more)), '{"ok":true}');
});

test(
  'a stateless server that asks on a stream is not answered, and reaches nobody [MCP26-25] [MCP26-39]',
  LIMITS,
  async (t) => {
    const open = opening('modern');
    const server = await fakeHttp(t, (request) => {
      const { message, response } = request;
      if (open(request)) return;
      if (message.method === 'tools/call') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(event(ELICIT) + event(resultFor(message, textResult('done'))));
      } else answerJson(response, {});
    });
    const { asked, more } = answering();
    const { call, list, log } = connect(t, server.transport, {}, { asks: ALL });
    assert.equal(textOf(await call('t', {}, more)), 'done');
    await list();
    assert.deepEqual(asked, []);
    assert.ok(server.received.every(({ message }) => message.method !== undefined));
    assert.ok(log.some((line) => line.event === 'server_request'));
  },
);
