import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualTimers } from '../../../../tests/support/manual-timers.ts';
import {
  answerJson,
  connect,
  type Family,
  fakeHttp,
  opening,
  resultFor,
  scripted,
  speaks,
  textOf,
  textResult,
} from '../../../../tests/support/upstreams.ts';
import type { Notice } from '../mcp/types.ts';
import type { UpstreamRequest } from './types.ts';

const LIMITS = { timeout: 30_000 };
const FAMILIES = ['modern', 'handshake'] as const;
const progress = (progressToken: unknown, n: unknown, more = {}) => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { progressToken, progress: n, ...more },
});
const message = (level: unknown, data: unknown = 'd', more = {}) => ({
  jsonrpc: '2.0',
  method: 'notifications/message',
  params: { level, data, ...more },
});
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

/** What a call hears. */
function hearing(more: Partial<UpstreamRequest> = {}) {
  const heard: Notice[] = [];
  const all = { wantsProgress: true, logLevel: 'info', onNotice: (notice: Notice) => void heard.push(notice) } as const;
  return { heard, more: { ...all, ...more } };
}

const LOGGED: Notice = { kind: 'log', level: 'warning', logger: 'l', data: { a: 1 } };
const step = (n: number): Notice => ({ kind: 'progress', progress: n, total: null, message: null });

for (const family of FAMILIES) {
  test(
    `over HTTP a call of a ${family} server hears what comes on its own stream, as it asked, and nothing after its answer [MCP26-31]`,
    LIMITS,
    async (t) => {
      const open = opening(family, { tools: {}, logging: {} });
      const server = await fakeHttp(t, (request) => {
        const { message: sent, response } = request;
        if (open(request)) return;
        if (sent.method !== 'tools/call') return answerJson(response, resultFor(sent, {}));
        const said = [
          progress('c-1', 1, { total: 4, message: 'begun' }),
          message('warning', { a: 1 }, { logger: 'l' }),
          message('debug'),
          message('loud'),
          progress('c-1', 2.5),
          progress('c-1', 2.5),
          progress('c-1', 2),
          progress('c-1', 'x'),
          progress('c-2', 3),
          progress(1, 3),
          { jsonrpc: '2.0', method: 'notifications/other', params: {} },
          resultFor(sent, textResult('done')),
          progress('c-1', 9),
          message('error'),
        ];
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(said.map(event).join(''));
      });
      const { call, log } = connect(t, server.transport);
      const { heard, more } = hearing({ callId: 'c-1' });
      await call('t', {}, more);
      const begun: Notice = { kind: 'progress', progress: 1, total: 4, message: 'begun' };
      assert.deepEqual(heard, [begun, LOGGED, step(2.5)]);
      assert.ok(log.some((line) => line.event === 'notification'));

      const deaf = hearing({ callId: 'c-1', wantsProgress: false, logLevel: null });
      await call('t', {}, deaf.more);
      assert.deepEqual(deaf.heard, []);
    },
  );

  test(
    `on a pipe progress of a ${family} server is told apart by its token, and log messages only while one call runs [MCP26-31]`,
    LIMITS,
    async (t) => {
      const script = `
        ${speaks(family, { tools: {}, logging: {} })}
        const say = (method, params) => send({ jsonrpc: '2.0', method: 'notifications/' + method, params });
        const held = [];
        on.other = (m) => m.method === 'logging/setLevel' && ok(m.id, {});
        on.call = (m) => {
          say('message', { level: 'warning', logger: 'l', data: { a: 1 } });
          if (m.params.name === 'alone') {
            const late = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: m.id, progress: 9 } };
            const answer = { jsonrpc: '2.0', id: m.id, result: text('done') };
            // In one piece, so that they are read in one go.
            raw(JSON.stringify(answer) + '\\n' + JSON.stringify(late) + '\\n');
            say('message', { level: 'error', data: 'after' });
            return;
          }
          held.push(m);
          if (held.length < 2) return;
          for (const h of held) say('progress', { progressToken: h.id, progress: h.params.arguments.n });
          for (const h of held) ok(h.id, text('done'));
        };`;
      const { call, list } = connect(t, scripted(script));
      await list();
      const alone = hearing();
      await call('alone', {}, alone.more);
      assert.deepEqual(alone.heard, [LOGGED]);
      await list();
      assert.deepEqual(alone.heard, [LOGGED]);

      const both = [1, 2].map((n) => ({ n, ...hearing() }));
      await Promise.all(both.map(({ n, more }) => call('both', { n }, more)));
      assert.deepEqual(
        both.map(({ heard }) => heard),
        [[step(1)], [step(2)]],
      );
    },
  );
}

test('progress of one call does not come on the stream of another [MCP26-31]', LIMITS, async (t) => {
  for (const family of FAMILIES) {
    const open = opening(family);
    const second = Promise.withResolvers<void>();
    const server = await fakeHttp(t, async (request) => {
      const { message: sent, response } = request;
      if (open(request)) return;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (sent.id === 'first') await second.promise;
      else response.write(event(progress('first', 1)));
      response.end(event(resultFor(sent, textResult('done'))));
    });
    const { call, list } = connect(t, server.transport);
    const { heard, more } = hearing({ callId: 'first' });
    await list();
    const first = call('t', {}, more);
    await call('t', {}, hearing().more);
    second.resolve();
    await first;
    assert.deepEqual(heard, []);
  }
});

test(
  'a server of a session is told to log everything, once, and only when somebody wants to hear it',
  LIMITS,
  async (t) => {
    const open = opening('handshake', { tools: {}, logging: {} });
    const server = await fakeHttp(t, (request) => {
      if (!open(request)) answerJson(request.response, resultFor(request.message, textResult('done')));
    });
    const { call } = connect(t, server.transport);
    const levels = () =>
      server.received.filter((each) => each.message.method === 'logging/setLevel').map((each) => each.message.params);
    await call('t');
    assert.deepEqual(levels(), []);
    await Promise.all([call('t', {}, { logLevel: 'error' }), call('t', {}, { logLevel: 'info' })]);
    await call('t', {}, { logLevel: 'error' });
    assert.deepEqual(levels(), [{ level: 'debug' }]);
  },
);

test('a server that does not want to be told to log is called all the same', LIMITS, async (t) => {
  const script = `${speaks('handshake', { tools: {}, logging: {} })} on.other = (m) => m.id !== undefined && refuse(m);`;
  const { call, log } = connect(t, scripted(script));
  assert.equal(textOf(await call('t', {}, { logLevel: 'info' })), '{}');
  assert.ok(log.some(({ event: name }) => name === 'not_logging'));
});

test('progress that comes on the stream of no call belongs to the call that its token names', LIMITS, async (t) => {
  const open = opening('handshake', { tools: { listChanged: true } });
  let say: (text: string) => void = () => {};
  const standing = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  const server = await fakeHttp(t, async (request) => {
    const { method, message: sent, response } = request;
    if (method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      say = (text) => void response.write(text);
      return standing.resolve();
    }
    if (open(request)) return;
    await standing.promise;
    say(event(message('error')) + event(progress('nobody', 1)) + event(progress('c-1', 1)));
    await told.promise;
    answerJson(response, resultFor(sent, textResult('done')));
  });
  const { call } = connect(t, server.transport);
  const { heard, more } = hearing({ callId: 'c-1' });
  const onNotice = (notice: Notice) => {
    heard.push(notice);
    told.resolve();
  };
  await call('t', {}, { ...more, onNotice });
  assert.deepEqual(heard, [step(1)]);
});

test('log messages after a call was given up belong to nobody who can be told apart [MCP26-31]', LIMITS, async (t) => {
  const script = (family: Family) => `
    ${speaks(family, { tools: {} })}
    const say = (method, params) => send({ jsonrpc: '2.0', method: 'notifications/' + method, params });
    on.call = (m) => {
      if (m.params.name === 'hang') return say('progress', { progressToken: m.id, progress: 1 });
      say('message', { level: 'error', data: 'whose?' });
      ok(m.id, text('done'));
    };`;
  for (const family of FAMILIES) {
    const { call } = connect(t, scripted(script(family)));
    const controller = new AbortController();
    const onNotice = () => controller.abort();
    await assert.rejects(call('hang', {}, { signal: controller.signal, wantsProgress: true, onNotice }));
    const { heard, more } = hearing();
    await call('t', {}, more);
    assert.deepEqual(heard, []);
  }
});

test(
  'a server that floods a call with notices is heard a bounded number of times a second [MCP26-31]',
  LIMITS,
  async (t) => {
    const { timers, advance } = manualTimers();
    const open = opening('modern');
    const server = await fakeHttp(t, (request) => {
      const { message: sent, response } = request;
      if (open(request)) return;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const flood = Array.from({ length: 5000 }, (_, n) => event(progress('c-1', n)) + event(message('error', n)));
      response.end(flood.join('') + event(resultFor(sent, textResult('done'))));
    });
    const { call, log } = connect(t, server.transport, {}, { timers });
    const { heard, more } = hearing({ callId: 'c-1' });
    await call('t', {}, more);
    assert.equal(heard.length, 50);
    advance(1000);
    await call('t', {}, more);
    assert.equal(heard.length, 100);
    assert.match(log.filter((line) => line.event === 'notification').at(-1)?.detail ?? '', /\(16384 so far\)/);
  },
);
