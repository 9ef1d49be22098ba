import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { personAt } from './approver.ts';

const never = new AbortController().signal;

test('a person is shown the whole call, and approves it by saying yes and by nothing else', async () => {
  for (const [typed, expected] of [
    ['y\n', true],
    ['Yes\n', true],
    ['\n', false],
    ['n\n', false],
    ['yesterday\n', false],
    ['', false],
  ] as const) {
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    const answer = personAt(stdin, stdout).approves('post_update {"text":"all of it"}', never);
    stdin.end(typed);
    assert.equal(await answer, expected, JSON.stringify(typed));
    assert.match(String(stdout.read()), /\{"text":"all of it"\}[\s\S]*\[y\/N\] $/);
  }
});

test('whoever gives up while being asked ends the question', async () => {
  const gone = new AbortController();
  const answer = personAt(new PassThrough(), new PassThrough()).approves('call', gone.signal);
  gone.abort();
  await assert.rejects(answer, { name: 'AbortError' });
});

test('where nobody is, the story answers', async () => {
  const person = personAt(null, new PassThrough());
  assert.deepEqual([person.scripted, await person.approves('call', never)], [true, true]);
});
