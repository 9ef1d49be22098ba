import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toolCall } from '../../../../tests/support/governed-request.ts';
import { WaitingTasks } from './waiting-tasks.ts';

test('how much calls that wait as tasks hold of arguments is bounded: the oldest are forgotten [MCP25-16]', () => {
  const waiting = new WaitingTasks({ nowMicros: () => 0 }, 120);
  const add = (id: string, length: number): void => {
    const request = toolCall({ arguments: { text: 'x'.repeat(length) } });
    if (request.method === 'tools/call') waiting.add(id, 1_000_000, request);
  };
  const known = (): string[] =>
    ['a', 'b', 'c'].filter((id) => waiting.find(`approval.${id}`, toolCall().caller) !== null);
  add('a', 30);
  add('b', 30);
  assert.deepEqual(known(), ['a', 'b']);
  add('c', 50);
  assert.deepEqual(known(), ['b', 'c']);
  const task = waiting.find('approval.b', toolCall().caller);
  if (task !== null) waiting.forget(task);
  add('a', 20);
  assert.deepEqual(known(), ['a', 'c'], 'what is forgotten makes room');
});
