import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { selfSigned, type TestCertificate } from '../../../../tests/support/certificate.ts';
import { manualTimers } from '../../../../tests/support/manual-timers.ts';
import {
  ABLE,
  connect,
  type Family,
  failsWith,
  fakeHttp,
  opening,
  type Received,
  resultFor,
  textOf,
  textResult,
} from '../../../../tests/support/upstreams.ts';
import type { Notice } from '../mcp/types.ts';

const LIMITS = { timeout: 30_000 };
const event = (message: unknown, fields = ''): string => `${fields}data: ${JSON.stringify(message)}\n\n`;

/** A server whose streams for calls do what a test says; a GET is an attempt to take one up again. */
async function breaking(
  t: TestContext,
  onCall: (request: Received) => void,
  onGet: (request: Received, call: Received['message']) => void,
  family: Family = 'handshake',
  tls?: TestCertificate,
) {
  const open = opening(family);
  let call: Received['message'] = {};
  const server = await fakeHttp(
    t,
    (request) => {
      const { method, message, response } = request;
      if (method === 'GET') return onGet(request, call);
      if (open(request)) return;
      if (message.method === undefined) return void response.writeHead(202).end();
      call = message;
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      onCall(request);
    },
    tls,
  );
  const gets = () => server.received.filter(({ method }) => method === 'GET');
  return { server, gets };
}

const stream = (response: Received['response'], text: string): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.end(text);
};

test(
  'a stream that ends without the response is taken up again where it ended, when the server wants [MCP25-13]',
  LIMITS,
  async (t) => {
    const { timers, fire, due } = manualTimers();
    const { server, gets } = await breaking(
      t,
      // The priming event carries no message: id and retry count all the same.
      ({ response }) => void response.end('id: a/1\nretry: 2500\ndata:\n\n'),
      ({ response, headers }, call) => {
        if (headers['last-event-id'] === 'a/1') stream(response, 'id: a/2 é\ndata:\n\n');
        else stream(response, event(resultFor(call, textResult('resumed'))));
      },
    );
    const { call } = connect(t, server.transport, {}, { timers });
    const answer = call('t');
    await fire(2500);
    // The second stream did not say how long to wait.
    await fire(1000);
    assert.equal(textOf(await answer), 'resumed');
    assert.ok(!due().includes(2500));
    const sent = gets().map(({ headers }) => ({
      id: Buffer.from(headers['last-event-id'] as string, 'latin1').toString(),
      accept: headers.accept,
      session: headers['mcp-session-id'],
      version: headers['mcp-protocol-version'],
    }));
    const common = { accept: 'text/event-stream', session: 'session-1', version: '2025-06-18' };
    assert.deepEqual(sent, [
      { id: 'a/1', ...common },
      { id: 'a/2 é', ...common },
    ]);
    assert.equal(server.received.filter(({ message }) => message.method === 'tools/call').length, 1);
  },
);

test('a lost connection is taken up again too, also when the next attempts fail [MCP25-13]', LIMITS, async (t) => {
  let attempts = 0;
  const { server } = await breaking(
    t,
    ({ response }) => {
      response.write('id: 1\nretry: 1\ndata:\n\n', () => response.destroy());
    },
    ({ response }, call) => {
      attempts += 1;
      if (attempts === 1) response.destroy();
      else if (attempts === 2) response.writeHead(503).end('proxy');
      else stream(response, event(resultFor(call, textResult('resumed'))));
    },
  );
  const { call } = connect(t, server.transport);
  assert.equal(textOf(await call('t')), 'resumed');
  assert.equal(attempts, 3);
});

test(
  'what the server says on the stream that was taken up still belongs to the call [MCP25-11] [MCP26-31]',
  LIMITS,
  async (t) => {
    const { server } = await breaking(
      t,
      ({ response }) => void response.end('id: 1\nretry: 1\n\n'),
      async ({ response }, call) => {
        const ask = { jsonrpc: '2.0', id: 5, method: 'roots/list' };
        const params = { progressToken: call.id, progress: 1 };
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(event({ jsonrpc: '2.0', method: 'notifications/progress', params }) + event(ask));
        await asked.promise;
        response.end(event(resultFor(call, textResult('done'))));
      },
    );
    const asked = Promise.withResolvers<void>();
    const heard: Notice[] = [];
    const { call } = connect(t, server.transport, {}, { asks: ['list_roots'] });
    const onAsk = async () => {
      asked.resolve();
      return { roots: [] };
    };
    const onNotice = (notice: Notice) => void heard.push(notice);
    await call('t', {}, { abilities: ABLE, wantsProgress: true, onNotice, onAsk });
    assert.equal(heard.length, 1);
  },
);

test(
  'a stream that cannot be taken up leaves the outcome unknown, and nothing is sent twice [LIFE-05]',
  LIMITS,
  async (t) => {
    for (const [first, onGet] of [
      // No id, an id that was taken back, one that no header field can carry, one that is too long.
      [': nothing\n\n', null],
      ['id: 1\n\nid\n\n', null],
      ['id: a\u0001b\n\n', null],
      [`id: ${'x'.repeat(1025)}\n\n`, null],
      ['id: 1\nretry: 0\n\n', (response: Received['response']) => void response.writeHead(405).end()],
      ['id: 1\nretry: 0\n\n', (response: Received['response']) => void response.writeHead(404).end()],
      [
        'id: 1\nretry: 0\n\n',
        (response: Received['response']) =>
          void response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
      ],
    ] as const) {
      const { server, gets } = await breaking(
        t,
        ({ response }) => void response.end(first),
        ({ response }) => onGet?.(response),
      );
      const { call } = connect(t, server.transport);
      await assert.rejects(call('t'), failsWith('OUTCOME_UNKNOWN', /without a response/));
      assert.equal(gets().length, onGet === null ? 0 : 1, first);
      assert.equal(server.received.filter(({ message }) => message.method === 'tools/call').length, 1);
    }
  },
);

test(
  'the time limit of the call holds while it waits for its stream, and the server is told [MCP26-32]',
  LIMITS,
  async (t) => {
    const { timers, fire, due } = manualTimers();
    const ended = Promise.withResolvers<void>();
    const { server, gets } = await breaking(
      t,
      ({ response }) => {
        response.end('id: 1\nretry: 900\n\n');
        response.on('close', ended.resolve);
      },
      () => {},
    );
    const { call, upstream } = connect(t, server.transport, { timeoutMs: 5000 }, { timers });
    const late = assert.rejects(call('t', {}, { callId: 'late' }), failsWith('UPSTREAM_TIMEOUT'));
    await ended.promise;
    while (!due().includes(900)) await new Promise((resolve) => setImmediate(resolve));
    await fire(5000);
    await late;
    assert.ok(!due().includes(900));
    await upstream.close();
    const told = server.received.filter(({ message }) => message.method === 'notifications/cancelled');
    assert.deepEqual(
      told.map(({ message }) => message.params?.requestId),
      ['late'],
    );
    assert.equal(gets().length, 0);
  },
);

test('a cancelled call closes the stream that was taken up, and the server is told [MCP26-26]', LIMITS, async (t) => {
  const controller = new AbortController();
  const closed = Promise.withResolvers<unknown>();
  const { server } = await breaking(
    t,
    ({ response }) => void response.end('id: 1\nretry: 0\n\n'),
    ({ response }) => {
      closed.resolve(once(response, 'close'));
      controller.abort();
    },
  );
  const { call, upstream } = connect(t, server.transport);
  await assert.rejects(call('t', {}, { signal: controller.signal }), failsWith('CALL_CANCELLED'));
  await closed.promise;
  await upstream.close();
  assert.ok(server.received.some(({ message }) => message.method === 'notifications/cancelled'));
});

test(
  'a call whose stream cannot be reached any more has an unknown outcome, not none [LIFE-05] [MCP26-32]',
  LIMITS,
  async (t) => {
    const { timers, fire, due } = manualTimers();
    const certificate = selfSigned('vanishing');
    const { server } = await breaking(
      t,
      ({ response }) => void response.end('id: 1\nretry: 700\n\n'),
      () => {},
      'handshake',
      certificate,
    );
    const { call } = connect(t, server.transport, { timeoutMs: 5000 }, { timers, ca: [certificate.cert] });
    const late = assert.rejects(call('t'), failsWith('UPSTREAM_TIMEOUT'));
    while (!due().includes(700)) await new Promise((resolve) => setImmediate(resolve));
    server.stop();
    // On the same port, something that accepts and never says a word.
    const silent = createTcpServer().listen(server.port, '127.0.0.1');
    t.after(() => silent.close());
    const reached = once(silent, 'connection');
    await fire(700);
    await reached;
    await fire(5000);
    await late;
  },
);

test('streams of 2026-07-28 are not resumable, whatever the server writes on them', LIMITS, async (t) => {
  const { server, gets } = await breaking(
    t,
    ({ response }) => void response.end('id: 1\nretry: 0\ndata:\n\n'),
    ({ response }) => void response.end(),
    'modern',
  );
  const { call } = connect(t, server.transport);
  await assert.rejects(call('t'), failsWith('OUTCOME_UNKNOWN'));
  assert.equal(gets().length, 0);
});

test('a server that ends its stream again and again is asked a bounded number of times a second', LIMITS, async (t) => {
  const { timers, fire, due } = manualTimers();
  const { server, gets } = await breaking(
    t,
    ({ response }) => void response.end('id: 1\nretry: 0\n\n'),
    ({ response }) => stream(response, 'id: 1\nretry: 0\n\n'),
  );
  const { call } = connect(t, server.transport, { timeoutMs: 5000 }, { timers });
  const pending = assert.rejects(call('t'), failsWith('UPSTREAM_TIMEOUT'));
  for (let i = 0; i < 5; i += 1) await fire(100);
  while (!due().includes(100)) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(gets().length, 5);
  await fire(5000);
  await pending;
});
