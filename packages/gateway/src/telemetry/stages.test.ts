import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'node:test';
import { TestBed } from '../../../../tests/support/gateway.ts';
import { STAGE_CHANNEL, type StageTime } from './stages.ts';

test('whoever listens is told how long each stage of a call took, and nothing of what was sent', async (t) => {
  const bed = await TestBed.create({ tools: [{ name: 'echo' }] });
  t.after(() => bed.close());
  const { url } = await bed.start();
  const client = await bed.client(url);
  t.after(() => client.close());
  await client.callTool({ name: 'echo', arguments: { text: 'unheard' } });
  const heard: StageTime[] = [];
  const listen = (message: unknown): void => void heard.push(message as StageTime);
  subscribe(STAGE_CHANNEL, listen);
  t.after(() => unsubscribe(STAGE_CHANNEL, listen));
  await client.callTool({ name: 'echo', arguments: { text: 'a secret' } });
  const stages = heard.map(({ stage }) => stage).join(' ');
  assert.match(
    stages,
    /^http-in admit resolve flow decide prepare intent upstream inspect decide-answer inspect release record http-out$/,
  );
  for (const { stage, micros, ...rest } of heard) {
    assert.ok(micros >= 0, stage);
    assert.deepEqual(rest, {});
  }
});
