/** Clients that send slowly, never read, vanish, or ask for too much at once. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { echo, result } from '../../../../tests/support/fake-governed.ts';
import {
  ALICE,
  BOB,
  inSession,
  modern,
  open,
  type Sent,
  type Served,
  send,
  serve,
} from '../../../../tests/support/ingress.ts';
import { ManualTime } from '../../../../tests/support/manual-time.ts';

const START = `POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${ALICE}\r\nContent-Type: application/json\r\n`;

/** The bytes of a request. */
function textOf({ method = 'POST', headers = {}, body, credential = ALICE }: Sent): string {
  const payload = body === undefined ? '' : JSON.stringify(body);
  const lines = Object.entries({
    Host: 'localhost',
    Authorization: credential,
    Accept: 'application/json, text/event-stream',
    ...(body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} /mcp HTTP/1.1\r\n${lines.join('')}\r\n${payload}`;
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Resolves when no client is connected any more. */
async function deserted({ ingress }: Served): Promise<void> {
  const count = () => new Promise<number>((resolve) => ingress.server.getConnections((_, found) => resolve(found)));
  while ((await count()) > 0) await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves when every call has been cancelled. */
async function allAborted(calls: readonly { signal: AbortSignal }[]): Promise<void> {
  while (!calls.every(({ signal }) => signal.aborted)) await new Promise((resolve) => setImmediate(resolve));
}

/** Runs `step` once in every turn until the other end is gone. */
async function untilClosed(socket: Socket, step: () => void): Promise<void> {
  let closed = false;
  socket.once('close', () => {
    closed = true;
  });
  while (!closed) {
    step();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('who does not finish sending is not waited for: nothing, half a head, half a body [G5] [LIFE-01]', async (t) => {
  const { port, gateway } = await serve(t, { patience: { headers: 40, request: 80, look: 10, idle: 80 } });
  for (const text of ['', 'POST /mcp HT', `${START}X-Slow: `, `${START}Content-Length: 100\r\n\r\n{"js`]) {
    const socket = await connected(port);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    if (text !== '') socket.write(text);
    await once(socket, 'close');
    assert.match(Buffer.concat(chunks).toString(), /^(?:HTTP\/1\.1 408 |$)/, text);
  }
  assert.equal(gateway.requests.length, 0);
});

test('who sends a byte now and then is not waited for either [G5]', async (t) => {
  const { port } = await serve(t, { patience: { headers: 60, request: 60, look: 10, idle: 60 } });
  for (const begin of ['', `${START}Transfer-Encoding: chunked\r\n\r\n`]) {
    const socket = await connected(port);
    socket.resume();
    socket.write(begin === '' ? 'GET / HTTP/1.1\r\nX: ' : begin);
    await untilClosed(socket, () => void socket.write(begin === '' ? 'a' : '1\r\n \r\n'));
  }
});

test('a thousand clients that vanish in the middle leave nothing behind [LIFE-01]', async (t) => {
  const served = await serve(t, { sessions: { idleMs: 60_000, maxOpen: 2_000 } });
  const { port, gateway } = served;
  gateway.hang();
  const session = await open(port);
  const texts = [
    'POST /mcp HT',
    `${START}Content-Length: 100\r\n\r\n{`,
    textOf(modern('tools/call', { name: 'wait' })),
    textOf(modern('subscriptions/listen', { notifications: { toolsListChanged: true } })),
    textOf({ ...inSession(session, ''), method: 'GET', body: undefined as never }),
  ];
  for (let round = 0; round < 10; round++) {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => connected(port)));
    for (const [index, socket] of sockets.entries()) {
      socket.write(texts[index % texts.length] ?? '');
      socket.resume();
    }
    while (gateway.calls.length < (round + 1) * 20) await new Promise((resolve) => setImmediate(resolve));
    for (const [index, socket] of sockets.entries()) {
      if (index % 3 === 0) socket.destroy();
      else if (index % 3 === 1) socket.resetAndDestroy();
      // Half open: nothing will be sent any more, and everything is still read.
      else socket.end();
    }
  }
  await deserted(served);
  await allAborted(gateway.calls);
  // Nothing counts as held any more: as many again may come.
  for (let i = 0; i < 300; i++) assert.equal((await send(port, modern('tools/list'))).status, 200);
});

test('a stream that nobody reads is cut off, not stored without end [G5] [LIFE-01]', async (t) => {
  const served = await serve(t);
  const { port, gateway } = served;
  const socket = await connected(port);
  socket.write(textOf(modern('subscriptions/listen', { notifications: { resourceSubscriptions: ['test://a'] } })));
  await once(socket, 'readable');
  const [subscription] = gateway.subscriptions;
  const before = process.memoryUsage().rss;
  const uri = `test://${'x'.repeat(200_000)}`;
  while (subscription?.over === false) {
    subscription.onUpdated(uri);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(process.memoryUsage().rss - before < 200_000_000);
  socket.destroy();
  await deserted(served);
});

test('a reader that takes nothing between two signs of life is gone [LIFE-01]', async (t) => {
  /** How much is written to a reader that takes nothing, until it is cut off. */
  const written = async (between: (time: ManualTime) => void): Promise<number> => {
    const time = new ManualTime();
    const served = await serve(t, { clock: time, timers: time });
    const { port, gateway } = served;
    const socket = await connected(port);
    socket.write(textOf(modern('subscriptions/listen', { notifications: { resourceSubscriptions: ['test://a'] } })));
    await once(socket, 'readable');
    const [subscription] = gateway.subscriptions;
    let messages = 0;
    for (; subscription?.over === false; messages++) {
      subscription.onUpdated(`test://${'x'.repeat(250_000)}`);
      await new Promise((resolve) => setImmediate(resolve));
      between(time);
    }
    socket.destroy();
    await deserted(served);
    return messages;
  };
  const stored = await written(() => {});
  const beaten = await written((time) => time.advance(15_000));
  // What is stored for a slow reader, 4 MiB, is not filled first.
  assert.ok(beaten < stored - 8, `${beaten} of ${stored}`);
});

test('notices that would only wait are left out, and the answer still comes [MCP26-31] [G5]', async (t) => {
  const { port, gateway } = await serve(t);
  const sent = 100;
  const gate = Promise.withResolvers<void>();
  gateway.onCall = async (each) => {
    for (let i = 0; i < sent; i++) {
      each.client.notify({ kind: 'log', level: 'error', logger: null, data: 'x'.repeat(200_000) });
    }
    await gate.promise;
    return echo(each);
  };
  const meta: JsonObject = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/logLevel': 'error',
  };
  const socket = await connected(port);
  socket.write(
    textOf({ ...modern('tools/call', { name: 'echo', _meta: meta }) }).replace('\r\n', '\r\nConnection: close\r\n'),
  );
  await once(socket, 'readable');
  gate.resolve();
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const notices = text.split('notifications/message').length - 1;
  assert.ok(notices > 0 && notices < sent, `${notices}`);
  assert.match(text, /"id":1,"result"/);
});

test('nothing waits for who is gone [LIFE-01]', async (t) => {
  const time = new ManualTime();
  const served = await serve(t, { clock: time, timers: time });
  const { port, gateway } = served;
  gateway.hang();
  const before = time.waiting;
  const session = await open(port);
  const texts = [
    // Refused while it still sends.
    `${START}Content-Length: 2000000\r\n\r\n{`,
    textOf(modern('tools/call', { name: 'wait' })),
    textOf(modern('subscriptions/listen', { notifications: { toolsListChanged: true } })),
    textOf({ ...inSession(session, ''), method: 'GET', body: undefined as never }),
  ];
  for (const text of texts) {
    const socket = await connected(port);
    const called = gateway.called();
    socket.write(text);
    await Promise.race([once(socket, 'readable'), called]);
    socket.destroy();
    await deserted(served);
    while (time.waiting > before) await new Promise((resolve) => setImmediate(resolve));
  }
});

test('an answer that is never taken is given up [LIFE-01]', async (t) => {
  const time = new ManualTime();
  const served = await serve(t, { clock: time, timers: time });
  const { port, gateway } = served;
  gateway.onCall = async () => result({ content: [{ type: 'text', text: 'x'.repeat(30_000_000) }] });
  const socket = await connected(port);
  socket.pause();
  const called = gateway.called();
  socket.write(textOf(modern('tools/call', { name: 'echo' })));
  await called;
  await time.waitedFor();
  await new Promise((resolve) => setImmediate(resolve));
  time.advance(60_000);
  await deserted(served);
  socket.destroy();
});

test('requests in flight are bounded for each caller, and end with their connections [G5] [MCP26-26]', async (t) => {
  const served = await serve(t);
  const { port, gateway } = served;
  gateway.hang();
  const call = textOf(modern('tools/call', { name: 'wait' }));
  const sockets = await Promise.all(Array.from({ length: 1_100 }, () => connected(port)));
  for (const socket of sockets) socket.resume().write(call);
  while (gateway.calls.length < 1_024) await new Promise((resolve) => setImmediate(resolve));
  const refused = await send(port, modern('tools/list'));
  assert.equal(refused.status, 503);
  assert.equal((await send(port, { ...modern('tools/list'), credential: BOB })).status, 200);
  for (const socket of sockets) socket.destroy();
  await deserted(served);
  assert.equal(gateway.calls.length, 1_024);
  await allAborted(gateway.calls);
  assert.equal((await send(port, modern('tools/list'))).status, 200);
});

test('on one connection one request is served at a time, and who sends on and on is cut off [G5] [ATK-17]', async (t) => {
  const served = await serve(t);
  const { port, gateway } = served;
  gateway.hang();
  const call = textOf(modern('tools/call', { name: 'wait' }));
  const patient = await connected(port);
  patient.resume().write(call.repeat(3));
  while (gateway.calls.length < 1) await new Promise((resolve) => setImmediate(resolve));
  const flooding = await connected(port);
  const cut = new Promise((resolve) => flooding.once('close', resolve));
  flooding.on('error', () => {}).resume();
  for (let i = 0; i < 200; i++) flooding.write(call);
  await cut;
  patient.destroy();
  await deserted(served);
  // The flood may be cut off before its first request is begun.
  assert.ok(gateway.calls.length <= 2);
  await allAborted(gateway.calls);
});

test('answers find the request that they belong to, whoever asks at the same time [G7] [ATK-20]', async (t) => {
  const { port, gateway } = await serve(t);
  gateway.onCall = async (each) => {
    for (let i = 0; i < Number(each.arguments.turns); i++) await new Promise((resolve) => setImmediate(resolve));
    return echo({ ...each, arguments: { ...each.arguments, subject: each.caller.subject } });
  };
  const ask = async (index: number): Promise<void> => {
    const [subject, credential] = index % 2 === 0 ? ['alice', ALICE] : ['bob', BOB];
    // Everybody uses the same ids.
    const id = index % 3 === 0 ? 1 : '1';
    const args = { turns: index % 7, index };
    const answer = await send(port, { ...modern('tools/call', { name: 'echo', arguments: args }, { id }), credential });
    assert.equal(answer.json.id, id);
    const { content } = answer.json.result as { content?: { text: string }[] };
    assert.deepEqual(JSON.parse(content?.[0]?.text ?? ''), { ...args, subject });
  };
  await Promise.all(Array.from({ length: 120 }, (_, index) => ask(index)));
});
