/** Clients that do what they should not, and what the gateway holds when they have done it. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import type { JsonObject } from '@cmcp/evidence';
import { BadCompany, type BadServer, CREDENTIAL, endOf } from './support/bad-company.ts';
import { OTHER_TOKEN } from './support/gateway.ts';
import { inSession, modern, open, type Sent, send } from './support/ingress.ts';
import { rawCall, rawRequest } from './support/raw-http.ts';
import { answerJson, type Received, resultFor } from './support/upstreams.ts';

const MEGABYTE = 1024 * 1024;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const OTHER = `Bearer ${OTHER_TOKEN}`;

const silent: BadServer = { family: 'modern', handle: () => {}, timeout: '1s' };
const lengthy: BadServer = {
  family: 'modern',
  handle: ({ message, response }: Received) => {
    const content = [{ type: 'text', text: 'x'.repeat(1.5 * MEGABYTE) }];
    answerJson(response, resultFor(message, { resultType: 'complete', content }));
  },
};

const MAX_OPEN = 50;
const company = await BadCompany.meet(
  { after },
  { silent, lengthy },
  {
    manual: true,
    patience: { headers: 3_000, request: 4_000, look: 200, idle: 1_000 },
    config: [`sessions: { idle: 10m, max_open: ${MAX_OPEN}, starts_per_minute: 1000000 }`],
  },
);
const { gateway } = company;
const { port } = gateway;
// The thread that reads long bodies begins with the first, and stays.
await send(port, { credential: CREDENTIAL, body: 'x'.repeat(900_000) });
const rest = await company.atRest();
const heap = await gateway.heap();
const sockets: Socket[] = [];
after(() => {
  for (const socket of sockets) socket.destroy();
});

/** Connects, says `text`, and from then on does nothing: it neither reads nor closes. */
function vanish(text: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, () => resolve()));
    socket.on('error', () => {});
    sockets.push(socket.pause());
  });
}

const times = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));
const message = (sent: Sent, credential = CREDENTIAL): string => rawRequest({ ...sent, credential });
const rpc = (id: number, method: string, params: JsonObject = {}) => ({ jsonrpc: '2.0', id, method, params });
const listening = (id: number) => modern('subscriptions/listen', { notifications: { toolsListChanged: true } }, { id });
const listens = (session: string): Sent => ({
  method: 'GET',
  headers: { 'Mcp-Session-Id': session, Accept: 'text/event-stream' },
});

/** What a scenario held is let go, memory included. */
async function nothingLeft(): Promise<void> {
  await gateway.returnsTo(rest);
  const grown = (await gateway.heap()) - heap;
  assert.ok(grown < 24 * MEGABYTE, `${grown} bytes more are held`);
}

test('1,000 clients that vanish without a word leave no connection, stream or call [LIFE-01] [D-06]', async () => {
  const session = await open(port, CREDENTIAL);
  const { head, body } = rawCall('silent');
  await Promise.all([
    ...times(200, () => vanish('')),
    ...times(200, () => vanish(head)),
    ...times(200, () => vanish(`${head}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 9)}`)),
    ...times(100, () => vanish(message(listens(session)))),
    ...times(200, (at) => vanish(message(listening(at), OTHER))),
    ...times(100, () => vanish(rawCall('silent').whole)),
  ]);
  await gateway.until(({ clients }) => clients >= 300);
  await company.othersAnswer();
  // Who does not answer a ping is gone; a subscription lasts an hour at most.
  for (const ms of [MINUTE, MINUTE, MINUTE, HOUR, MINUTE, MINUTE]) await gateway.advance(ms);
  await nothingLeft();
});

test('whoever sends a byte at a time is not waited for [D-06] [G5]', async () => {
  const { head, body } = rawCall('silent');
  const whole = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  const drips = [whole, `${head}Content-Length: ${body.length}\r\n\r\n`].map((text, at) => {
    const said = at === 0 ? '' : text;
    const rest = at === 0 ? whole : body;
    return new Promise<string>((resolve) => {
      let left = rest;
      const chunks: Buffer[] = [];
      const socket = connect(port, '127.0.0.1', () => socket.write(said));
      const drip = setInterval(() => {
        socket.write(left.slice(0, 1));
        left = left.slice(1);
      }, 150);
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('error', () => {});
      socket.once('close', () => {
        clearInterval(drip);
        resolve(Buffer.concat(chunks).toString());
      });
    });
  });
  // Who still writes may meet the reset before it has read the answer.
  for (const received of await Promise.all(drips)) assert.match(received, /^(?:HTTP\/1\.1 408 |$)/);
  await nothingLeft();
});

test('sessions that nobody ends are bounded, expire, and each has its claim [LIFE-02] [C-30]', async () => {
  const claims = async () => (await readdir(company.sessions)).filter((name) => name.endsWith('.cmcp.json')).length;
  const before = await claims();
  const count = 400;
  for (let at = 0; at < count; at += 20) await Promise.all(times(20, () => open(port, CREDENTIAL)));
  assert.ok((await claims()) - before >= count - MAX_OPEN, 'those that made room were claimed');
  await gateway.advance(11 * MINUTE);
  await gateway.advance(MINUTE);
  // The last are being closed: another request waits for none of them.
  await eventually(async () => (await claims()) - before >= count);
  await nothingLeft();
});

test('answers that nobody reads are not kept [LIFE-01]', async () => {
  await Promise.all(times(4, () => vanish(times(20, () => rawCall('lengthy').whole).join(''))));
  await gateway.until(({ clients }) => clients === 4);
  await eventually(async () => (await company.calls('lengthy')) >= 4);
  await company.othersAnswer();
  await eventually(async () => {
    await gateway.advance(MINUTE);
    return (await gateway.held()).clients === 0;
  });
  await nothingLeft();
});

test('bodies that are huge or deep are refused, and nothing of them is kept [G5] [ATK-14]', async () => {
  const { head } = rawCall('silent');
  const huge = times(4, () =>
    send(port, { credential: CREDENTIAL, body: 'x'.repeat(20 * MEGABYTE) }).catch(() => null),
  );
  for (const answer of await Promise.all(huge)) if (answer !== null) assert.equal(answer.status, 413);
  for (const deep of ['['.repeat(400_000), '{"a":'.repeat(150_000), `[${'1'.repeat(900_000)}]`]) {
    const { status } = await send(port, { credential: CREDENTIAL, body: deep });
    assert.equal(status, 400);
  }
  await Promise.all(times(20, () => vanish(`${head}Content-Length: 900000\r\n\r\n${' '.repeat(800_000)}`)));
  await nothingLeft();
});

test('a flood of subscriptions stays one caller’s own trouble [MCP26-30] [G5]', async () => {
  await Promise.all(times(300, (at) => vanish(message(listening(at)))));
  await gateway.until(({ clients }) => clients >= 256);
  assert.equal(endOf(await send(port, { ...listening(1), credential: CREDENTIAL })).code, 'OVERLOADED');
  const other = send(port, { ...modern('tools/call', { name: 'good-http', arguments: {} }), credential: OTHER });
  assert.equal(endOf(await other).code, 'result');
  await company.othersAnswer();
  await gateway.advance(HOUR);
  await gateway.advance(MINUTE);
  await nothingLeft();
});

test('pings, calls that are cancelled and ids that are used again leave nothing [MCP25-13] [MCP25-14]', async () => {
  const session = await open(port, CREDENTIAL);
  const said = (body: ReturnType<typeof rpc> | JsonObject) =>
    send(port, { ...inSession(session, body as JsonObject), credential: CREDENTIAL });
  const call = (id: number) => said(rpc(id, 'tools/call', { name: 'silent', arguments: {} }));
  for (let round = 0; round < 15; round += 1) await Promise.all(times(20, (id) => said(rpc(id, 'ping'))));
  for (let round = 0; round < 4; round += 1) {
    const calls = times(25, (id) => call(id));
    const again = times(25, (id) => call(id));
    const cancel = (requestId: number) =>
      said({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });
    await Promise.all(times(25, cancel));
    const codes = (await Promise.all([...calls, ...again])).map((answer) => endOf(answer).code);
    assert.ok(codes.every((code) => code !== 'result'));
  }
  await company.othersAnswer();
  await nothingLeft();
});

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (let look = 0; !(await holds()); look += 1) {
    assert.ok(look < 400, 'it never came to that');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
