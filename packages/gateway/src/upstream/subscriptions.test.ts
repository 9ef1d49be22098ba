import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { manualTimers } from '../../../../tests/support/manual-timers.ts';
import { failsWith } from '../../../../tests/support/upstreams.ts';
import { Scope } from './scope.ts';
import { Subscriptions } from './subscriptions.ts';

function listening() {
  const { timers } = manualTimers();
  const asked: string[] = [];
  const subscribe = async (uri: string) => asked.push(uri) > 0;
  const subscriptions = new Subscriptions({ timers, subscribe, unsubscribe: () => {} });
  const scope = new Scope(new AbortController().signal, 1000, timers);
  const add = (uri: string, onUpdated = () => {}) => subscriptions.add(uri, onUpdated, scope);
  return { subscriptions, asked, add };
}

test('so many resources of a server are subscribed to and no more, however many listen to one', async () => {
  const { add, asked } = listening();
  for (let n = 0; n < 1000; n += 1) await add(`a:${n}`);
  await add('a:7');
  await assert.rejects(add('a:one-more'), failsWith('UPSTREAM_UNAVAILABLE', /too many/));
  assert.equal(asked.length, 1000);
});

test('an update is for what it names and for what it lies below, not for what merely begins alike', async () => {
  const heard: string[] = [];
  const { subscriptions, add } = listening();
  const uris = ['a:/x', 'a:/x/', 'a:/x/y', 'a:/xy', 'a:/x/y?q', 'b:/x'];
  for (const uri of uris) await add(uri, () => void heard.push(uri));
  const updated = (uri: string) => {
    heard.length = 0;
    assert.equal(subscriptions.updated(uri), heard.length > 0);
    return [...heard].sort();
  };
  assert.deepEqual(updated('a:/x'), ['a:/x']);
  assert.deepEqual(updated('a:/x/y'), ['a:/x', 'a:/x/', 'a:/x/y']);
  assert.deepEqual(updated('a:/x/y?q#f'), ['a:/x', 'a:/x/', 'a:/x/y', 'a:/x/y?q']);
  assert.deepEqual(updated('a:/xyz'), []);
  assert.deepEqual(updated(''), []);
});

test('any URI is looked for in bounded time, and never for one that it does not begin with', async () => {
  const heard: string[] = [];
  const { subscriptions, add } = listening();
  await add('a:/b', () => void heard.push('a:/b'));
  assert.equal(subscriptions.updated(`a:/b${'/'.repeat(1_000_000)}`), false);
  fc.assert(
    fc.property(fc.string(), (tail) => {
      heard.length = 0;
      subscriptions.updated(`x${tail}`);
      assert.deepEqual(heard, []);
    }),
  );
});
