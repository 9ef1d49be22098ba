import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OperatorEndpoint } from './endpoint.ts';
import { OperatorEvents } from './events.ts';
import { OperatorListener } from './listener.ts';
import { ownRoutes } from './own-routes.ts';
import { EventStreams } from './stream-events.ts';

/** A listener with nothing but its own routes, and a way to follow its events. */
async function listening(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-operator-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const events = new OperatorEvents('run');
  const unused = (): never => assert.fail('not part of this test');
  const listener = new OperatorListener({
    enter: unused,
    countUnknown: unused,
    socket: join(folder, 'operator.sock'),
    network: null,
    clock: { nowMicros: () => 0 },
    timers: { after: unused, every: () => () => {} },
    monotonic: unused,
    operators: async () => ({ subject: 'op', source: 'bearer', roles: ['viewer'] }),
    agents: { identify: unused },
    report: unused,
    routes: ownRoutes({ events, ready: unused, trustLevel: 'software' }),
  });
  await listener.listen();
  t.after(() => listener.close());
  const follow = async (): Promise<IncomingMessage> => {
    const sent = request({
      socketPath: join(folder, 'operator.sock'),
      path: '/operator/v1/events',
      agent: false,
    }).end();
    return ((await once(sent, 'response')) as [IncomingMessage])[0];
  };
  return { events, follow };
}

test('a listener that does not read is dropped instead of being buffered for; others go on', async (t) => {
  const { events, follow } = await listening(t);
  const stalled = await follow();
  // More in one turn than may wait: nobody could have read it in between.
  for (let sent = 0; sent < 30; sent += 1) events.publish({ event: 'large', detail: 'x'.repeat(100_000) });
  const reading = await follow();
  events.publish({ event: 'last' });
  await assert.rejects(
    (async () => {
      for await (const chunk of stalled as AsyncIterable<Buffer>) assert.ok(!chunk.includes('"last"'), 'still served');
    })(),
    { code: 'ECONNRESET' },
  );
  for await (const chunk of reading as AsyncIterable<Buffer>) if (chunk.includes('"last"')) return;
  assert.fail('the other listener was not served');
});

test('as many streams as may be open are served, and the next is told to come later', async (t) => {
  const { events, follow } = await listening(t);
  const streams = await Promise.all(Array.from({ length: 64 }, follow));
  assert.deepEqual(new Set(streams.map(({ statusCode }) => statusCode)), new Set([200]));
  assert.equal((await follow()).statusCode, 503);
  const [first] = streams;
  first?.destroy();
  await once(first ?? assert.fail(), 'close');
  // The listener learns of it in a turn of its own.
  let again = await follow();
  while (again.statusCode === 503) again = await follow();
  events.publish({ event: 'last' });
  for await (const chunk of again as AsyncIterable<Buffer>) if (chunk.includes('"last"')) return;
  assert.fail('not served');
});

test('who went away before their stream begins takes no place of one [LIFE-01]', async (t) => {
  const every = (): never => assert.fail('nothing is kept going');
  const streams = new EventStreams({ after: every, every });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer((_, response) => {
    client.destroy();
    response.once('close', () => {
      try {
        streams.open(new OperatorEvents('run'), response, null, () => false);
        resolve();
      } catch (error) {
        reject(error);
      }
    });
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = request({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, agent: false });
  client.on('error', () => {});
  client.end();
  await promise;
});

test('a request that is broken off is no fault: nobody floods the events with them [D-06]', async () => {
  const reported: unknown[] = [];
  const unused = (): never => assert.fail('not part of this test');
  const endpoint = new OperatorEndpoint({
    ...{ enter: unused, countUnknown: unused, monotonic: unused, operators: unused, agents: { identify: unused } },
    ...{ clock: { nowMicros: () => 0 }, timers: { after: unused, every: unused } },
    report: (error) => reported.push(error),
    routes: [
      {
        ...{ method: 'POST', path: 'told', operationId: 'tell', summary: '', roles: [], mutates: true, open: true },
        ...{ answer: {}, serve: unused },
      },
    ],
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = createServer((incoming, response) => {
    incoming.once('data', () => client.destroy());
    void endpoint.accept(incoming, response).then(resolve);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = request({ host: '127.0.0.1', port, method: 'POST', path: '/operator/v1/told', agent: false });
  client.on('error', () => {});
  client.setHeader('content-length', '10');
  client.write('{');
  await promise;
  server.close();
  assert.deepEqual(reported, []);
});
