import type { ServerResponse } from 'node:http';
import { stringifyJson } from '@cmcp/evidence';
import type { OperatorEvents } from './events.ts';

const STREAM_BYTES = 1_048_576;

/** Writes what happens from now on, until whoever listens goes away. */
export function streamEvents(events: OperatorEvents, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(': listening\n\n');
  const stop = events.subscribe((event) => {
    response.write(`data: ${stringifyJson(event)}\n\n`);
    // Events are kept for nobody who does not read them.
    if (response.writableLength > STREAM_BYTES) response.destroy();
  });
  response.on('close', stop);
}
