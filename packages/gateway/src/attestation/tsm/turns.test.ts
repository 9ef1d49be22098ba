import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import { TsmError, type TsmErrorCode } from './error.ts';
import { Turns } from './turns.ts';

const failsAs = (code: TsmErrorCode) => (error: unknown) => error instanceof TsmError && error.code === code;

function setUp(boundMs = 30_000) {
  const time = new ManualTime();
  return { time, turns: new Turns(time, boundMs) };
}

/** Work that ends when the test says so. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, work: () => promise };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('requests are served one at a time, in the order of asking', async () => {
  const { turns } = setUp();
  const log: string[] = [];
  const request = (name: string) =>
    turns.run(async () => {
      log.push(`${name} begins`);
      await settled();
      log.push(`${name} ends`);
    });
  await Promise.all(['a', 'b', 'c'].map(request));
  assert.deepEqual(log, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
});

test('a caller with many requests, one after the other, lets another in between', async () => {
  const { turns } = setUp();
  const log: string[] = [];
  const request = (name: string) => turns.run(async () => void log.push(name));
  const many = async () => {
    for (const name of ['a1', 'a2', 'a3']) await request(name);
  };
  await Promise.all([many(), request('b')]);
  assert.deepEqual(log, ['a1', 'b', 'a2', 'a3']);
});

test('what the work rejects with reaches its caller alone', async () => {
  const { turns } = setUp();
  const failing = turns.run(() => Promise.reject(new TsmError('busy', 'busy')));
  const other = turns.run(() => Promise.resolve(7));
  await assert.rejects(failing, failsAs('busy'));
  assert.equal(await other, 7);
});

test('a request without an answer in time fails, and so does all that waits behind it', async () => {
  const { time, turns } = setUp();
  const hanging = gate();
  const first = turns.run(hanging.work);
  const second = turns.run(() => Promise.resolve(2));
  time.advance(30_000);
  await assert.rejects(first, failsAs('timed-out'));
  await assert.rejects(second, failsAs('timed-out'));
  await assert.rejects(
    turns.run(() => Promise.resolve(3)),
    failsAs('busy'),
  );
});

test('nothing is begun before a request that was given up has come back, and then all goes on', async () => {
  const { time, turns } = setUp();
  const hanging = gate();
  let given = false;
  const first = turns.run(async (isGivenUp) => {
    await hanging.work();
    given = isGivenUp();
  });
  time.advance(30_000);
  await assert.rejects(first);
  hanging.open();
  await settled();
  assert.equal(given, true, 'the work could see that nobody waits for it');
  assert.equal(await turns.run(() => Promise.resolve(4)), 4);
});

test('the time of a request starts with its turn: a long queue that moves is no failure', async () => {
  const { time, turns } = setUp();
  const gates = [gate(), gate(), gate()];
  const all = gates.map(({ work }) => turns.run(work));
  for (const { open } of gates) {
    time.advance(20_000);
    open();
    await settled();
  }
  await Promise.all(all);
});

test('whoever gives up in the queue is not served, and nobody else notices', async () => {
  const { turns } = setUp();
  const hanging = gate();
  const first = turns.run(hanging.work);
  const abort = new AbortController();
  let begun = false;
  const second = turns.run(async () => {
    begun = true;
  }, abort.signal);
  const third = turns.run(() => Promise.resolve(3));
  abort.abort();
  await assert.rejects(second, failsAs('given-up'));
  hanging.open();
  await first;
  assert.equal(await third, 3);
  assert.equal(begun, false);
});

test('whoever has given up before asking is not queued', async () => {
  const { turns } = setUp();
  await assert.rejects(
    turns.run(() => Promise.resolve(1), AbortSignal.abort()),
    failsAs('given-up'),
  );
});

test('closing fails what waits and refuses what comes', async () => {
  const { turns } = setUp();
  const hanging = gate();
  const first = turns.run(hanging.work);
  const second = turns.run(() => Promise.resolve(2));
  turns.close();
  turns.close();
  await assert.rejects(second, failsAs('given-up'));
  await assert.rejects(
    turns.run(() => Promise.resolve(3)),
    failsAs('given-up'),
  );
  hanging.open();
  await first;
});
