import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import type { Caller } from '../caller.ts';
import { type Clock, systemClock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { encodeBody, encodeMessage } from '../mcp/reply.ts';
import { StdioPeer, type StdioPeerDeps } from '../mcp/stdio.ts';
import type { GovernedGateway } from '../mcp/types.ts';
import { systemTimers, type Timers } from '../timers.ts';
import { readLines } from './lines.ts';
import { OutputPipe } from './output-pipe.ts';
import { type BodyLimits, type BodyParser, createBodyParser } from './parse.ts';

export interface StdioDeps {
  input: Readable;
  output: Writable;
  /** The one caller, from the configuration. */
  caller: Caller;
  gateway: GovernedGateway;
  /** `bodyBytes` bounds a line. */
  limits: BodyLimits;
  /** Told of every error that no GatewayError explains. */
  onFault: (error: unknown) => void;
  /** Ends the service early, for a shutdown. */
  signal?: AbortSignal;
  clock?: Clock;
  timers?: Timers;
}

/** How long calls may go on after the input has ended, in milliseconds: a script may close its end before it reads. */
const GRACE_MS = 10_000;

/**
 * Serves MCP over a pair of streams, one message a line, until the input ends, the output breaks, or `signal` aborts. Then
 * calls in flight finish or are aborted, and the session ends. Writes nothing but MCP to `output`.
 */
export async function serveStdio(deps: StdioDeps): Promise<void> {
  const { input, output, limits, onFault, signal, timers = systemTimers, clock = systemClock } = deps;
  const pipe = new OutputPipe(output, () => input.destroy());
  const send: StdioPeerDeps['send'] = (message) => {
    // Who waits for an answer is told that there is none; what cannot be said otherwise is not.
    const answers = Array.isArray(message) || !Object.hasOwn(message, 'method');
    const text = answers ? encodeBody(message, onFault) : encodeMessage(message, onFault);
    if (text !== null) pipe.write(`${text}\n`);
  };
  const full = (): boolean => pipe.full;
  const peer = new StdioPeer({ ...deps, clock, timers, randomBytes, send, full });
  const parser = createBodyParser(limits);
  const stop = (): void => {
    input.destroy();
  };
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    await readMessages(input, limits.bodyBytes, parser, peer, pipe);
  } finally {
    signal?.removeEventListener('abort', stop);
    const graceful = !pipe.broken && signal?.aborted !== true;
    await peer.end(signal?.aborted === true ? 'shutdown' : 'client', graceful ? GRACE_MS : 0);
    await parser.close();
    await pipe.flushed();
  }
}

async function readMessages(
  input: Readable,
  maxBytes: number,
  parser: BodyParser,
  peer: StdioPeer,
  pipe: OutputPipe,
): Promise<void> {
  try {
    for await (const line of readLines(input, maxBytes)) {
      if ('tooLong' in line) peer.refuse('BODY_TOO_LARGE');
      else if (!isBlank(line.bytes)) await receive(line.bytes, parser, peer);
      // Back-pressure: a client that does not read its answers is not read from either.
      await pipe.ready();
    }
  } catch (error) {
    // An input that broke or was destroyed ends the service like one that was closed.
    if (!input.destroyed) throw error;
  }
}

async function receive(bytes: Uint8Array, parser: BodyParser, peer: StdioPeer): Promise<void> {
  let value: Awaited<ReturnType<BodyParser['parse']>>;
  try {
    value = await parser.parse(bytes);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return peer.refuse(error.code === 'PARSE_ERROR' || error.code === 'OVERLOADED' ? error.code : 'INTERNAL_ERROR');
  }
  await peer.receive(value);
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
