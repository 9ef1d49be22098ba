import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, Server } from '@modelcontextprotocol/server';
import { manualTimers } from '../../../../tests/support/manual-timers.ts';
import {
  answerJson,
  connect,
  failsWith,
  fakeHttp,
  nodeServer,
  opening,
  packageFile,
  type Received,
  resultFor,
  scripted,
  speaks,
  textResult,
} from '../../../../tests/support/upstreams.ts';
import type { CatalogServer } from '../catalog/types.ts';

const LIMITS = { timeout: 30_000 };
const never = new AbortController().signal;
const ANNOUNCING = {
  tools: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  prompts: { listChanged: true },
};
const event = (message: unknown): string => `data: ${JSON.stringify(message)}\n\n`;
const updated = (uri: string, more = {}) => ({
  jsonrpc: '2.0',
  method: 'notifications/resources/updated',
  params: { uri, ...more },
});
const changed = (kind: string, more = {}) => ({
  jsonrpc: '2.0',
  method: `notifications/${kind}/list_changed`,
  ...more,
});

/** A value that may be waited for, over and over. */
function counter() {
  let count = 0;
  let look = () => {};
  return {
    add: () => {
      count += 1;
      look();
    },
    reached: (wanted: number) =>
      new Promise<void>((resolve) => {
        look = () => {
          if (count >= wanted) resolve();
        };
        look();
      }),
    get count() {
      return count;
    },
  };
}

interface Stream {
  id: string | number;
  notifications: Record<string, unknown>;
  response: Received['response'];
  send: (message: object) => void;
}

const STREAM_KEY = 'io.modelcontextprotocol/subscriptionId';
const acknowledgement = (id: unknown, notifications: unknown) => ({
  jsonrpc: '2.0',
  method: 'notifications/subscriptions/acknowledged',
  params: { _meta: { [STREAM_KEY]: id }, notifications },
});

/** A stateless server; `onListen` says what happens on a stream for announcements, by default an acknowledgement. */
async function listening(
  t: TestContext,
  onListen: (stream: Stream) => void = ({ id, notifications, send }) => send(acknowledgement(id, notifications)),
  capabilities: unknown = ANNOUNCING,
) {
  const open = opening('modern', capabilities);
  const streams: Stream[] = [];
  const opened = counter();
  const server = await fakeHttp(t, (request) => {
    const { message, response } = request;
    if (open(request)) return;
    if (message.method !== 'subscriptions/listen') return answerJson(response, resultFor(message, textResult('ok')));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    const send: Stream['send'] = (sent) => void response.write(event(sent));
    const stream = { id: message.id ?? '', notifications: message.params?.notifications ?? {}, response, send };
    streams.push(stream);
    onListen(stream);
    opened.add();
  });
  return { server, streams, opened };
}

test(
  'a stateless server is asked on one stream for what it announces, and heard only on it [MCP26-30]',
  LIMITS,
  async (t) => {
    const { server, streams, opened } = await listening(t);
    const { upstream, list, call, log } = connect(t, server.transport);
    const kinds: string[] = [];
    const heard = counter();
    upstream.onChanged((kind) => {
      kinds.push(kind);
      heard.add();
    });
    await list();
    await opened.reached(1);
    const [stream] = streams;
    assert.deepEqual(stream?.notifications, {
      toolsListChanged: true,
      resourcesListChanged: true,
      promptsListChanged: true,
    });
    const listen = server.received.find(({ message }) => message.method === 'subscriptions/listen');
    assert.equal(listen?.headers['mcp-method'], 'subscriptions/listen');
    const mine = { params: { _meta: { [STREAM_KEY]: stream?.id } } };
    stream?.send(changed('tools', { params: { _meta: { [STREAM_KEY]: 'other' } } }));
    stream?.send(changed('prompts', mine));
    stream?.send(changed('resources', mine));
    await heard.reached(2);
    assert.deepEqual(kinds, ['prompts', 'resources']);
    await call('t');
    assert.equal(streams.length, 1);
    assert.ok(log.some((line) => line.event === 'notification'));
  },
);

test(
  'a resource is subscribed to once, whoever listens, and let go with the last of them [MCP26-30]',
  LIMITS,
  async (t) => {
    const { server, streams, opened } = await listening(t);
    const { upstream } = connect(t, server.transport);
    const [first, second, below] = [counter(), counter(), counter()];
    const stopFirst = await upstream.subscribe('a:b', first.add, never);
    const stopSecond = await upstream.subscribe('a:b', second.add, never);
    assert.ok(stopFirst !== null && stopSecond !== null);
    await upstream.subscribe('dir:/x/', below.add, never);
    await opened.reached(3);
    assert.deepEqual(
      streams.map(({ notifications }) => notifications.resourceSubscriptions),
      [undefined, ['a:b'], ['a:b', 'dir:/x/']],
    );
    // The old streams were closed once the new one was acknowledged.
    await Promise.all(streams.slice(0, 2).map(({ response }) => response.closed || once(response, 'close')));
    const stream = streams[2];
    stream?.send(updated('a:c'));
    stream?.send(updated('a:bc'));
    stream?.send(updated('a:b', { _meta: { [STREAM_KEY]: 'other' } }));
    stream?.send(updated('dir:/x/y/z?q'));
    stream?.send(updated('a:b'));
    await Promise.all([first.reached(1), second.reached(1), below.reached(1)]);
    assert.deepEqual([first.count, second.count, below.count], [1, 1, 1]);
    stopFirst();
    stopFirst();
    stream?.send(updated('a:b'));
    await second.reached(2);
    assert.equal(first.count, 1);
    stopSecond();
    await opened.reached(4);
    assert.deepEqual(streams[3]?.notifications.resourceSubscriptions, ['dir:/x/']);
  },
);

test(
  'the old stream announces until the new one is acknowledged, and stays when that fails [MCP26-30]',
  LIMITS,
  async (t) => {
    const { server, streams, opened } = await listening(t, (stream) => {
      const { resourceSubscriptions: uris = [] } = stream.notifications as { resourceSubscriptions?: string[] };
      // A stream that begins with anything but its acknowledgement is none.
      if (uris.includes('bad:early')) stream.send(changed('tools'));
      else if (uris.includes('bad:other')) stream.send(acknowledgement('other', stream.notifications));
      else if (uris.includes('bad:end')) stream.response.end();
      else stream.send(acknowledgement(stream.id, stream.notifications));
    });
    const { timers, fire, due } = manualTimers();
    const { upstream } = connect(t, server.transport, {}, { timers });
    const heard = counter();
    await upstream.subscribe('a:b', heard.add, never);
    for (const uri of ['bad:early', 'bad:other', 'bad:end']) {
      await assert.rejects(
        upstream.subscribe(uri, () => {}, never),
        failsWith('UPSTREAM_UNAVAILABLE'),
        uri,
      );
    }
    await opened.reached(5);
    streams[1]?.send(updated('a:b'));
    await heard.reached(1);
    // What nobody waits for any more is not asked for again.
    await fire(4000);
    assert.deepEqual([streams.length, due()], [5, []]);
    assert.equal(streams[1]?.response.closed, false);
  },
);

test(
  'whatever the gateway asks on its own behalf, no two of its requests share an id [MCP26-17]',
  LIMITS,
  async (t) => {
    for (const family of ['modern', 'handshake'] as const) {
      const open = opening(family, ANNOUNCING);
      const server = await fakeHttp(t, (request) => {
        const { message, response } = request;
        if (open(request)) return;
        if (message.method !== 'subscriptions/listen') return answerJson(response, resultFor(message, {}));
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(event(acknowledgement(message.id, message.params?.notifications)));
      });
      const { upstream, list } = connect(t, server.transport);
      await Promise.all([list(), upstream.subscribe('a:b', () => {}, never), upstream.instructions(never)]);
      await Promise.all([list(), upstream.subscribe('a:c', () => {}, never), upstream.instructions(never)]);
      const ids = server.received.flatMap(({ message }) => (message.id === undefined ? [] : [message.id]));
      assert.equal(new Set(ids).size, ids.length);
    }
  },
);

test(
  'what the server does not agree to announce is not offered, and what it cannot is not asked [MCP26-30]',
  LIMITS,
  async (t) => {
    const some = await listening(t, ({ id, send }) =>
      send(acknowledgement(id, { toolsListChanged: true, resourceSubscriptions: ['a:b'] })),
    );
    const { upstream, log, list } = connect(t, some.server.transport);
    assert.equal(typeof (await upstream.subscribe('a:b', () => {}, never)), 'function');
    assert.equal(await upstream.subscribe('a:c', () => {}, never), null);
    await list();
    assert.equal(some.streams.length, 3);
    assert.ok(log.some(({ event: name, detail }) => name === 'not_listening' && /resources, prompts/.test(detail)));

    const none = await listening(t, undefined, { resources: {} });
    assert.equal(await connect(t, none.server.transport).upstream.subscribe('a:b', () => {}, never), null);
    assert.equal(none.streams.length, 0);
  },
);

test('a server that has no such streams is left alone', LIMITS, async (t) => {
  const open = opening('modern', ANNOUNCING);
  const server = await fakeHttp(t, (request) => {
    const { message, response } = request;
    if (!open(request))
      answerJson(response, { jsonrpc: '2.0', id: message.id, error: { code: -32601, message: '?' } }, 404);
  });
  const { timers, due } = manualTimers();
  const { upstream, logged } = connect(t, server.transport, {}, { timers });
  assert.equal(await upstream.subscribe('a:b', () => {}, never), null);
  await logged('not_listening');
  assert.equal(await upstream.subscribe('a:c', () => {}, never), null);
  assert.equal(server.received.filter(({ message }) => message.method === 'subscriptions/listen').length, 1);
  assert.deepEqual(due(), []);
});

test(
  'a stream that breaks is opened again after growing pauses, and what may have been missed counts as changed [MCP26-30]',
  LIMITS,
  async (t) => {
    const { timers, fire } = manualTimers();
    const { server, streams, opened } = await listening(t);
    const { upstream } = connect(t, server.transport, {}, { timers });
    const kinds: string[] = [];
    const heard = counter();
    await upstream.subscribe('a:b', heard.add, never);
    upstream.onChanged((kind) => void kinds.push(kind));
    for (const [at, end, pause] of [
      [1, (stream: Stream) => void stream.response.destroy(), 1000],
      [2, ({ id, send }: Stream) => send({ jsonrpc: '2.0', id, result: { _meta: { [STREAM_KEY]: id } } }), 2000],
    ] as const) {
      const stream = streams[at] ?? assert.fail();
      const closed = once(stream.response, 'close');
      end(stream);
      await closed;
      await fire(pause);
      await opened.reached(at + 2);
      await heard.reached(at);
    }
    assert.deepEqual(streams.at(-1)?.notifications.resourceSubscriptions, ['a:b']);
    assert.deepEqual(kinds, ['tools', 'resources', 'prompts', 'tools', 'resources', 'prompts']);
  },
);

test('a server that acknowledges nothing is given up in time [MCP26-30]', LIMITS, async (t) => {
  const { timers, fire } = manualTimers();
  const { server } = await listening(t, () => {});
  const { upstream } = connect(t, server.transport, {}, { timers });
  const subscribing = assert.rejects(
    upstream.subscribe('a:b', () => {}, never),
    failsWith('UPSTREAM_UNAVAILABLE'),
  );
  await fire(10_000);
  await subscribing;
});

test('a modern server (SDK v2) announces resources that are subscribed to over HTTP [MCP26-30]', LIMITS, async (t) => {
  const handler = createMcpHandler(
    () => {
      const server = new Server({ name: 'm', version: '1' }, { capabilities: { resources: { subscribe: true } } });
      server.setRequestHandler('resources/list', async () => ({ resources: [] }));
      return server;
    },
    { legacy: 'reject' },
  );
  const http = createServer(toNodeHandler(handler) as RequestListener).listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(async () => {
    await handler.close();
    http.closeAllConnections();
    http.close();
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  const transport: CatalogServer['transport'] = { kind: 'http', url, tlsFingerprint: null };
  const { upstream } = connect(t, transport);
  const heard = counter();
  const stop = await upstream.subscribe('a:b', heard.add, never);
  assert.ok(stop !== null);
  handler.notify.resourceUpdated('a:b');
  await heard.reached(1);
  stop();
});

const MODERN_STDIO = `
  ${speaks('modern', ANNOUNCING)}
  const key = '${STREAM_KEY}';
  const open = new Map();
  const note = (method, id, params = {}) =>
    send({ jsonrpc: '2.0', method: 'notifications/' + method, params: { ...params, _meta: { [key]: id } } });
  const seen = [];
  on.other = (m) => {
    if (m.method === 'notifications/cancelled') { seen.push('closed'); return void open.delete(m.params.requestId); }
    if (m.method !== 'subscriptions/listen') return;
    seen.push((m.params.notifications.resourceSubscriptions ?? []).join());
    open.set(m.id, m.params.notifications);
    note('subscriptions/acknowledged', m.id, { notifications: m.params.notifications });
  };
  on.call = (m) => {
    const { name } = m.params;
    if (name === 'seen') return ok(m.id, text(JSON.stringify(seen)));
    if (name === 'end') for (const id of open.keys()) note('cancelled', 'x', { requestId: id });
    for (const id of open.keys()) {
      if (name === 'update') note('resources/updated', id, { uri: 'a:b' });
      if (name === 'foreign') note('resources/updated', 'nobody', { uri: 'a:c' });
    }
    if (name === 'end') open.clear();
    ok(m.id, text('ok'));
    if (name === 'die') process.exit(3);
  };`;

test('over a pipe streams share it and are told apart by their ids [MCP26-30]', LIMITS, async (t) => {
  const { timers, fire } = manualTimers();
  const { upstream, call } = connect(t, scripted(MODERN_STDIO), {}, { timers });
  const heard = counter();
  await upstream.subscribe('a:b', heard.add, never);
  await call('update');
  await heard.reached(1);
  const seen = async () =>
    JSON.parse(String(((await call('seen')).content as { text: string }[])[0]?.text)) as string[];
  assert.deepEqual(await seen(), ['', 'a:b', 'closed']);
  // The server ends the stream; it is asked again, and something may have been missed.
  await call('end');
  await fire(1000);
  await heard.reached(2);
  await call('update');
  await heard.reached(3);
  assert.equal((await seen()).at(-1), 'a:b');
});

test(
  'a server that died is started again while somebody waits for its announcements [MCP26-30] [MCP26-40]',
  LIMITS,
  async (t) => {
    const handshake = `
    ${speaks('handshake', ANNOUNCING)}
    on.other = (m) => {
      if (m.id === undefined) return;
      ok(m.id, {});
      if (m.method === 'resources/subscribe') send(${JSON.stringify(updated('a:b'))});
    };
    on.call = (m) => process.exit(3);`;
    for (const script of [handshake, MODERN_STDIO]) {
      const { upstream, call, log } = connect(t, scripted(script));
      const heard = counter();
      const again = counter();
      await upstream.subscribe('a:b', heard.add, never);
      upstream.onChanged(again.add);
      await call('die').catch(() => {});
      // Every list is another server's now, and the resource may have changed meanwhile.
      await again.reached(3);
      const before = heard.count;
      await heard.reached(before + 1);
      assert.equal(log.filter((line) => line.event === 'started').length, 2);
    }
  },
);

test(
  'a server of a session is asked for each resource, and speaks on the stream that stands open',
  LIMITS,
  async (t) => {
    const open = opening('handshake', { tools: {}, resources: { subscribe: true } });
    let say: (message: unknown) => void = () => {};
    const standing = Promise.withResolvers<void>();
    const server = await fakeHttp(t, (request) => {
      const { method, message, response } = request;
      if (method === 'GET') {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.flushHeaders();
        say = (sent) => void response.write(event(sent));
        return standing.resolve();
      }
      if (open(request)) return;
      const refused = message.params?.uri === 'a:none';
      const error = { code: -32002, message: 'Resource not found' };
      answerJson(response, refused ? { jsonrpc: '2.0', id: message.id, error } : resultFor(message, {}));
    });
    const { upstream, list, log } = connect(t, server.transport);
    const heard = counter();
    const stop = await upstream.subscribe('a:b', heard.add, never);
    const other = await upstream.subscribe('a:b', heard.add, never);
    await standing.promise;
    say(updated('a:c'));
    say(updated('a:b'));
    await heard.reached(2);
    assert.equal(heard.count, 2);
    // What nobody asked for is counted and dropped.
    assert.deepEqual(
      log.filter((line) => line.event === 'notification').map(({ detail }) => detail),
      ['a notification was ignored (1 so far)'],
    );
    await assert.rejects(
      upstream.subscribe('a:none', () => {}, never),
      failsWith('UPSTREAM_TOOL_ERROR'),
    );
    stop?.();
    other?.();
    await list();
    await list();
    const asked = server.received.flatMap(({ message }) =>
      message.method?.startsWith('resources/') ? [[message.method, message.params?.uri]] : [],
    );
    assert.deepEqual(asked, [
      ['resources/subscribe', 'a:b'],
      ['resources/subscribe', 'a:none'],
      ['resources/unsubscribe', 'a:b'],
    ]);
  },
);

test('after a session ended, its subscriptions are made again in the next one [LIFE-04]', LIMITS, async (t) => {
  const open = opening('handshake', { resources: { subscribe: true } });
  let over = false;
  const standing = Promise.withResolvers<Received['response']>();
  const server = await fakeHttp(t, (request) => {
    const { method, message, headers, response } = request;
    if (over && headers['mcp-session-id'] === 'session-1') return void response.writeHead(404).end();
    if (method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      standing.resolve(response);
    } else if (!open(request)) answerJson(response, resultFor(message, {}));
  });
  const { timers, fire } = manualTimers();
  const { upstream } = connect(t, server.transport, {}, { timers });
  const heard = counter();
  await upstream.subscribe('a:b', heard.add, never);
  over = true;
  (await standing.promise).end();
  // Opening the stream again shows that the session is over; nobody calls, and yet a new one is made.
  await fire(1000);
  await fire(1000);
  await heard.reached(1);
  const sessions = server.received
    .filter(({ message }) => message.method === 'resources/subscribe')
    .map(({ headers }) => headers['mcp-session-id']);
  assert.deepEqual(sessions, ['session-1', 'session-2']);
});

test(
  'the stream that stands open is taken up where it ended, after the time that the server asks for',
  LIMITS,
  async (t) => {
    const open = opening('handshake', { tools: { listChanged: true } });
    const gets = counter();
    const ids: unknown[] = [];
    const server = await fakeHttp(t, (request) => {
      const { method, headers, response } = request;
      if (method !== 'GET') return void open(request);
      ids.push(headers['last-event-id']);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(ids.length === 1 ? 'id: 7\nretry: 2500\ndata:\n\n' : '');
      gets.add();
    });
    const { timers, fire } = manualTimers();
    const { upstream, list } = connect(t, server.transport, {}, { timers });
    let changes = 0;
    upstream.onChanged(() => {
      changes += 1;
    });
    await list();
    await fire(2500);
    await gets.reached(2);
    await fire(2000);
    await gets.reached(3);
    assert.deepEqual(ids, [undefined, '7', '7']);
    // What was said meanwhile is replayed, so nothing was missed.
    assert.equal(changes, 0);
  },
);

test('a server of a session that does not speak unasked is left alone', LIMITS, async (t) => {
  const open = opening('handshake', ANNOUNCING);
  const server = await fakeHttp(t, (request) => void open(request));
  const { timers, due } = manualTimers();
  const { list } = connect(t, server.transport, {}, { timers });
  await list();
  while (!server.received.some(({ method }) => method === 'GET')) await list();
  await list();
  assert.deepEqual(due(), []);
});

test(
  'a server that floods the gateway with announcements is heard a bounded number of times a second, to the last',
  LIMITS,
  async (t) => {
    const { timers, fire } = manualTimers();
    const script = `
    ${speaks('handshake', ANNOUNCING)}
    on.other = (m) => m.id !== undefined && ok(m.id, {});
    on.call = (m) => {
      for (let i = 0; i < 5000; i += 1) {
        send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
        send({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'a:b' } });
      }
      ok(m.id, text('ok'));
    };`;
    const { upstream, call } = connect(t, scripted(script), {}, { timers });
    const [updates, changes] = [counter(), counter()];
    await upstream.subscribe('a:b', updates.add, never);
    upstream.onChanged(changes.add);
    await call('t');
    assert.deepEqual([updates.count, changes.count], [20, 20]);
    await fire(1000);
    await fire(1000);
    assert.deepEqual([updates.count, changes.count], [21, 21]);
  },
);

test('server-everything announces what is subscribed to, over a pipe [W-27]', LIMITS, async (t) => {
  const { upstream, call, list } = connect(t, nodeServer(packageFile('server-everything/dist/index.js')));
  const [uri] = await list('resources');
  assert.ok(uri !== undefined);
  const heard = counter();
  const stop = await upstream.subscribe(uri, heard.add, never);
  assert.ok(stop !== null);
  await call('toggle-subscriber-updates');
  await heard.reached(1);
  stop();
});

test('a subscription that is given up before it is agreed on is taken back', LIMITS, async (t) => {
  const script = `
    ${speaks('handshake', ANNOUNCING)}
    let held;
    const seen = [];
    on.other = (m) => {
      if (m.id === undefined) return;
      seen.push(m.method);
      if (m.method === 'resources/subscribe') held = m; else ok(m.id, {});
    };
    on.call = (m) => {
      if (m.params.name === 'agree') ok(held.id, {});
      ok(m.id, text(seen.join()));
    };`;
  const { upstream, call } = connect(t, scripted(script));
  const controller = new AbortController();
  const given = upstream.subscribe('a:b', () => {}, controller.signal);
  await call('t');
  controller.abort();
  await assert.rejects(given, failsWith('CALL_CANCELLED'));
  await call('agree');
  await call('t');
  const [block] = (await call('t')).content as { text: string }[];
  assert.equal(block?.text, 'resources/subscribe,resources/unsubscribe');
});
