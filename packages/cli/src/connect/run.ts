import type { Readable, Writable } from 'node:stream';
import { JsonError, type LiveExpectations, type LiveStatement, parseJson } from '@cmcp/evidence';
import { type Clock, OutputPipe, type Peer, readLines, type Timers } from '@cmcp/gateway/client';
import { EXIT } from '../io.ts';
import { Bridge } from './bridge.ts';
import { type Checked, checkGateway } from './check-gateway.ts';
import { CheckedEndpoint } from './checked-endpoint.ts';
import { MAX_MESSAGE_BYTES } from './exchange.ts';
import { ConnectFailure } from './failure.ts';
import { Gate } from './gate.ts';

/** How long calls may go on after the client has closed its end, in milliseconds. */
const GRACE_MS = 10_000;
/** What the gateway accepts at most, whatever its configuration says. */
const MAX_DEPTH = 512;

export interface ConnectOptions {
  url: URL;
  expectations: LiveExpectations;
  /** The credential of the agent; null: none is sent. */
  token: string | null;
  authorities: Peer['authorities'];
  /** Milliseconds; null: as the expectations' validity demands. */
  reverifyMs: number | null;
}

export interface ConnectDeps {
  input: Readable;
  output: Writable;
  clock: Clock;
  timers: Timers;
  randomBytes: (length: number) => Uint8Array;
  /** Ends the bridge. */
  signal: AbortSignal;
  /** Tells the person who runs it. */
  say: (event: string, detail: string, more?: object) => void;
}

/**
 * Checks a gateway and then carries MCP between a client on a pair of streams and it, until the client closes its end, `signal`
 * aborts, or a check is refused.
 *
 * @returns the exit code
 * @throws GatewayError UPSTREAM_UNAVAILABLE when the URL is not acceptable
 */
export async function runConnect(options: ConnectOptions, deps: ConnectDeps): Promise<number> {
  const { input, clock, timers, say, signal } = deps;
  const end = new Ending();
  const over = new AbortController();
  const gate = new Gate({
    check: () => checkGateway({ ...options, ...deps, signal: over.signal }),
    clock,
    timers,
    reverifyMs: options.reverifyMs,
    onChecked: tellChanges(say),
    onVoid: (why) => {
      say('cut', `${why}: connections are given up`);
      endpoint.cut();
    },
    onRefused: (failure) => end.fail(failure),
  });
  const endpoint = new CheckedEndpoint({ ...options, gate });
  const output = new OutputPipe(deps.output, () => end.now());
  const bridge = new Bridge({ endpoint, output, timers, onNote: (what) => say('note', what) });
  end.onNow(() => {
    input.destroy();
    if (end.failure === null) bridge.giveUp();
    else bridge.fail(end.failure);
  });
  signal.addEventListener('abort', () => end.now(), { once: true });
  if (signal.aborted) end.now();
  // The check begins at once; whatever the client says meanwhile waits for it.
  gate.ready().catch((error: unknown) => end.fail(asFailure(error)));
  await readClient(input, bridge, output);
  await bridge.end(end.asked ? 0 : GRACE_MS);
  gate.close();
  over.abort();
  await endpoint.close();
  await output.flushed();
  if (end.failure === null) say('ended', 'the session is over');
  else say('refused', `${end.failure.message}\nNothing more is forwarded.`);
  return end.failure === null ? EXIT.done : EXIT.refused;
}

/** Why and when the bridge ends, if not by the end of its input. */
class Ending {
  readonly #abort = new AbortController();
  /** A check that was refused or could not be had. */
  failure: ConnectFailure | null = null;

  get asked(): boolean {
    return this.#abort.signal.aborted;
  }

  onNow(run: () => void): void {
    this.#abort.signal.addEventListener('abort', run, { once: true });
  }

  now(): void {
    this.#abort.abort();
  }

  fail(failure: ConnectFailure): void {
    if (!this.asked) this.failure = failure;
    this.now();
  }
}

async function readClient(input: Readable, bridge: Bridge, output: OutputPipe): Promise<void> {
  try {
    for await (const line of readLines(input, MAX_MESSAGE_BYTES)) {
      if ('tooLong' in line) bridge.refuseLine(`the message is larger than ${MAX_MESSAGE_BYTES} bytes`);
      else if (line.bytes.some((byte) => byte > 0x20)) await receive(line.bytes, bridge);
      // Back-pressure: a client that does not read its answers is not read from either.
      await output.ready();
    }
  } catch (error) {
    // An input that broke or was destroyed ends the bridge like one that was closed.
    if (!input.destroyed) throw error;
  }
}

async function receive(bytes: Uint8Array, bridge: Bridge): Promise<void> {
  try {
    await bridge.receive(parseJson(bytes, { bytes: MAX_MESSAGE_BYTES, depth: MAX_DEPTH }));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    bridge.refuseLine(`the message is not acceptable JSON: ${error.message}`);
  }
}

/** Tells what was checked: the first time, and whenever the gateway states something else than before. */
function tellChanges(say: ConnectDeps['say']): (checked: Checked) => void {
  let told = '';
  return ({ summary, statement }) => {
    const { nonce: _nonce, iat: _iat, ...stated } = statement;
    const text = JSON.stringify(stated);
    if (text === told) return;
    told = text;
    say('checked', `${summary}\n${inWords(stated)}`, { statement: stated });
  };
}

function inWords(stated: Omit<LiveStatement, 'nonce' | 'iat'>): string {
  const { measurement, policy_hash, catalog_hash, mode, tls_spki } = stated;
  return `gateway ${measurement}, policy ${policy_hash}, catalog ${catalog_hash}, mode ${mode}, TLS key ${tls_spki}`;
}

function asFailure(error: unknown): ConnectFailure {
  return error instanceof ConnectFailure ? error : new ConnectFailure('not_attested', String(error), { cause: error });
}
