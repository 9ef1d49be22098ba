import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StreamSink } from '../exchange.ts';
import { EventStream } from './event-stream.ts';
import { ReplayBudget, ReplayBuffer } from './replay-buffer.ts';

/** A connection as the stream sees it. */
class Connection implements StreamSink {
  full = false;
  readonly #written: string[] = [];
  readonly #listeners: (() => void)[] = [];

  write(text: string): void {
    this.#written.push(text);
  }
  beat(): void {}
  end(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }
  onClose(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** What arrived, without its framing. */
  get data(): string[] {
    return this.#written.map((text) => /^data: ?(.*)$/m.exec(text)?.[1] ?? '');
  }
}

const streamOn = (connection: Connection): EventStream => {
  const buffer = new ReplayBuffer(new ReplayBudget(1_000_000), { nowMicros: () => 0 });
  const stream = new EventStream('s', buffer, false);
  stream.connect(connection);
  return stream;
};

test('a client that lost its connection is told what was said meanwhile, progress and logs too [MCP25-10]', () => {
  const lost = new Connection();
  const stream = streamOn(lost);
  stream.send('seen', true);
  lost.end();
  stream.send('log', true);
  stream.send('result', false);
  const back = new Connection();
  stream.connect(back, 0);
  assert.deepEqual([lost.data, back.data], [['seen'], ['log', 'result']]);
});

test('of what may be lost only so much waits, so that it does not push out the rest; a client that comes back has a new allowance', () => {
  const connection = new Connection();
  const stream = streamOn(connection);
  for (let time = 0; time < 2; time += 1) {
    connection.end();
    for (let count = 0; count < 100; count += 1) stream.send('log', true);
    stream.send('question', false);
    const back = new Connection();
    stream.connect(back, 65 * time - 1);
    assert.deepEqual([back.data.length, back.data.at(-1)], [65, 'question']);
    back.end();
  }
});

test('a client that does not read is not sent what may be lost', () => {
  const connection = new Connection();
  const stream = streamOn(connection);
  connection.full = true;
  stream.send('log', true);
  stream.send('result', false);
  assert.deepEqual(connection.data, ['result']);
});
