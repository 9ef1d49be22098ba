import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Replays } from './replays.ts';

test('as many answers as there are keys are not kept: the oldest are forgotten first', async () => {
  const replays = new Replays(() => 0);
  let done = 0;
  const once = (key: string) => {
    const run = async () => ({ status: 200, body: { done: ++done } });
    return replays.once({ owner: 'op', key, asked: 'it' }, run);
  };
  await once('first');
  for (let key = 0; key < 4_095; key += 1) await once(String(key));
  assert.equal((await once('4094')).replayed, true);
  assert.deepEqual(await once('first'), { status: 200, body: { done: 4_097 }, replayed: false });
});
