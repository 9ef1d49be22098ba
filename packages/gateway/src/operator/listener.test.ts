import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { OperatorEvents } from './events.ts';
import { OperatorListener } from './listener.ts';
import { ownRoutes } from './own-routes.ts';

test('a listener that does not read is dropped instead of being buffered for; others go on', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-operator-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const events = new OperatorEvents('run');
  const unused = (): never => assert.fail('not part of this test');
  const listener = new OperatorListener({
    enter: unused,
    countUnknown: unused,
    socket: join(folder, 'operator.sock'),
    network: null,
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
