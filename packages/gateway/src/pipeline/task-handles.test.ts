import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Caller } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import type { Ask } from '../mcp/asks.ts';
import { readRedactions } from '../policy/redaction.ts';
import { SealedBox } from '../sealed-box.ts';
import { TaskHandles } from './task-handles.ts';

const a: Caller = { subject: 'agent-a', source: 'bearer' };
const b: Caller = { subject: 'agent-b', source: 'bearer' };
const handles = () => new TaskHandles(new SealedBox(randomBytes(32), randomBytes));
const TASK = { id: 'task-1', tool: 'report', redactions: [] };
const refused = { name: 'GatewayError', code: 'INVALID_PARAMS' };

test('a task is known to whoever’s call made it, and to nobody else [MCP25-16]', () => {
  const tasks = handles();
  const handle = tasks.seal(TASK, a);
  assert.deepEqual(tasks.open(handle, a), TASK);
  assert.throws(() => tasks.open(handle, b), refused);
  assert.throws(() => handles().open(handle, a), refused);
});

test('a task keeps what is to be removed from its result', () => {
  const tasks = handles();
  const redactions = readRedactions(`$.a, $['b,c']..d[*][0], class:pii`);
  assert.ok(typeof redactions !== 'string');
  const task = { ...TASK, redactions };
  assert.deepEqual(tasks.open(tasks.seal(task, a), a), task);
});

test('a task whose redactions cannot be read is not known: it would be shown in full', () => {
  const box = new SealedBox(randomBytes(32), randomBytes);
  const tasks = new TaskHandles(box);
  for (const redactions of [['nonsense'], [1], 'class:pii', null]) {
    const handle = box.sealJson('cmcp-task-v1|agent-a', { id: 'task-1', tool: 'report', redactions });
    assert.throws(() => tasks.open(handle, a), refused);
  }
});

test('a handle holds nothing of the server’s, is never twice the same, and fits a header [MCP25-16]', () => {
  const tasks = handles();
  const [one, two] = [tasks.seal(TASK, a), tasks.seal(TASK, a)];
  assert.notEqual(one, two);
  assert.match(one, /^[A-Za-z0-9_-]+$/);
  assert.ok(!Buffer.from(one, 'base64url').includes('task-1'));
});

test('whatever a client sends as a task id is refused with the declared error [MCP25-16]', () => {
  const tasks = handles();
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      try {
        tasks.open(text, a);
        return false;
      } catch (error) {
        return error instanceof GatewayError && error.code === 'INVALID_PARAMS';
      }
    }),
  );
  assert.throws(() => tasks.open('A'.repeat(100_000), a), refused);
});

test('what a task waits for is remembered as it was last shown', () => {
  const tasks = handles();
  const ask: Ask = { kind: 'elicit', params: { message: 'Sure?' } };
  tasks.remember('h', new Map([['q', ask]]));
  assert.deepEqual(tasks.asked('h', 'q'), ask);
  assert.equal(tasks.asked('h', 'other'), null);
  assert.equal(tasks.asked('other', 'q'), null);
  tasks.remember('h', new Map());
  assert.equal(tasks.asked('h', 'q'), null);
});
