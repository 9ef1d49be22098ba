import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatorEvents } from './events.ts';

const idsSince = (events: OperatorEvents, id: string): [boolean, string[]] => {
  const { gap, missed } = events.since(id);
  return [gap, missed.map((sent) => sent.id)];
};

test('what is kept of events is bounded in number and size; behind the oldest there is a gap', () => {
  const events = new OperatorEvents('run');
  assert.deepEqual(idsSince(events, 'run-0'), [false, []]);
  for (let sent = 0; sent < 1_001; sent += 1) events.publish({ event: 'small' });
  assert.deepEqual(idsSince(events, 'run-0')[0], true);
  assert.equal(idsSince(events, 'run-0')[1].length, 1_000);
  assert.equal(idsSince(events, 'run-1')[0], false);
  assert.deepEqual(idsSince(events, 'run-1000'), [false, ['run-1001']]);
  assert.deepEqual(idsSince(events, 'run-1001'), [false, []]);
  for (const id of ['run-1002', 'other-1001', 'run-', 'run', '']) assert.equal(idsSince(events, id)[0], true, id);
  for (let sent = 0; sent < 3; sent += 1) events.publish({ event: 'x'.repeat(500_000) });
  assert.equal(idsSince(events, 'run-1')[1].length, 2, 'of large ones fewer');
});
