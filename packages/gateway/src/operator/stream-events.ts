import type { ServerResponse } from 'node:http';
import { stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { Timers } from '../timers.ts';
import type { OperatorEvents, Sent } from './events.ts';

const STREAM_BYTES = 1_048_576;
const HEARTBEAT_MS = 15_000;
/** Milliseconds after which a client that lost its connection comes back. */
const RETRY_MS = 3_000;
const MAX_STREAMS = 64;

/** Streams of events to whoever follows. What somebody does not read is not kept for them. */
export class EventStreams {
  readonly #timers: Timers;
  #open = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /**
   * Writes what was missed and what happens from now on, until whoever listens goes away.
   *
   * @param lastId where they were; null: they begin
   * @param isOver whether they may listen no longer, asked with each heartbeat
   * @throws GatewayError OVERLOADED
   */
  open(events: OperatorEvents, response: ServerResponse, lastId: string | null, isOver: () => boolean): void {
    // Who went away while their credential was looked at is told nothing, and nobody would count them out again.
    if (response.destroyed) return;
    if (this.#open >= MAX_STREAMS) throw new GatewayError('OVERLOADED', `${MAX_STREAMS} streams of events are open`);
    this.#open += 1;
    const write = (text: string): void => {
      response.write(text);
      if (response.writableLength > STREAM_BYTES) response.destroy();
    };
    const tell = ({ id, text }: Sent): void => write(`id: ${id}\ndata: ${text}\n\n`);
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`retry: ${RETRY_MS}\n: listening\n\n`);
    if (lastId !== null) resume(events.since(lastId), lastId, write, tell);
    const stopListening = events.subscribe(tell);
    const stopBeating = this.#timers.every(HEARTBEAT_MS, () => (isOver() ? response.destroy() : write(': alive\n\n')));
    response.on('close', () => {
      stopListening();
      stopBeating();
      this.#open -= 1;
    });
  }
}

function resume(
  { gap, missed }: ReturnType<OperatorEvents['since']>,
  lastId: string,
  write: (text: string) => void,
  tell: (sent: Sent) => void,
): void {
  if (gap) write(`data: ${stringifyJson({ event: 'gap', after: lastId })}\n\n`);
  for (const sent of missed) tell(sent);
}
