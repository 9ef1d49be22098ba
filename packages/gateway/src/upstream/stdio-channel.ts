import type { JsonObject } from '@cmcp/evidence';
import type { ServerTransport } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import { Backoff } from './backoff.ts';
import type { Channel, ChannelRequest } from './channel.ts';
import { childEnvironment } from './child-environment.ts';
import { type EventLog, printable } from './event-log.ts';
import { checkServerFile } from './measure-server.ts';
import type { MonotonicTimers } from './monotonic.ts';
import { type Scope, unsent } from './scope.ts';
import { startServerProcess } from './server-process.ts';
import { StdioConnection } from './stdio-connection.ts';
import { negotiateStdio } from './stdio-negotiation.ts';
import type { UpstreamSettings } from './types.ts';

export interface StdioChannelOptions {
  spawn: Extract<ServerTransport, { kind: 'stdio' }>;
  settings: UpstreamSettings;
  baseEnv: Readonly<Record<string, string | undefined>>;
  /** Milliseconds between closed input, SIGTERM and SIGKILL. */
  graceMs: number;
  log: EventLog;
  timers: MonotonicTimers;
  onChanged: () => void;
}

interface Live {
  connection: StdioConnection;
  number: number;
}

/** A stdio server that is started when it is needed, and again when it is needed after it died. */
export class StdioChannel implements Channel {
  readonly #options: StdioChannelOptions;
  readonly #backoff: Backoff;
  #live: Live | null = null;
  #starting: Promise<Live> | null = null;
  #closing: Promise<void> | null = null;
  #starts = 0;
  #ids = 0;
  /** The newest process, also while it is being asked who it is. */
  #current: StdioConnection | null = null;
  /** False once the server has died of being asked by `server/discover`. */
  #probe = true;

  constructor(options: StdioChannelOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.timers);
  }

  async exchange(request: ChannelRequest, scope: Scope): Promise<JsonObject> {
    const { connection, number } = await this.#connected(scope);
    if (scope.ended !== null) throw unsent(scope.ended);
    request.admit(number);
    const { dialect } = connection;
    if (dialect === null) throw new GatewayError('INTERNAL_ERROR', 'a connection without a dialect');
    return connection.exchange(request, dialect, scope);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#backoff.release();
    // A server that is still being asked who it is ends the start with it.
    await this.#current?.stop();
    await Promise.allSettled([this.#starting]);
    await this.#current?.stop();
  }

  async #connected(scope: Scope): Promise<Live> {
    this.#requireOpen();
    if (this.#live?.connection.alive) return this.#live;
    if (this.#starting === null && this.#backoff.waitMs >= scope.remainingMs) {
      throw unavailable('the server keeps ending; it is not started again yet');
    }
    this.#starting ??= this.#start().finally(() => {
      this.#starting = null;
    });
    return scope.race(this.#starting);
  }

  async #start(): Promise<Live> {
    await this.#backoff.due();
    this.#backoff.started();
    try {
      const probed = this.#probe;
      return await this.#launch().catch((error: unknown) => {
        // It died of the probe, so it is started once more without.
        if (probed && !this.#probe && this.#closing === null) return this.#launch();
        throw error;
      });
    } catch (error) {
      this.#backoff.ended();
      if (!(error instanceof GatewayError)) throw error;
      this.#options.log.write('start_failed', error.detail);
      throw unavailable(error.detail, error);
    }
  }

  async #launch(): Promise<Live> {
    const { spawn, settings, baseEnv, graceMs, timers, log, onChanged } = this.#options;
    await checkServerFile(spawn, settings.env);
    this.#requireOpen();
    const env = childEnvironment(baseEnv, settings.env);
    const request = { command: spawn.command, args: spawn.args, env, graceMs };
    const process = await startServerProcess(request, timers);
    const { maxResponseBytes } = settings;
    const connection = new StdioConnection(process, { maxResponseBytes, log, timers, onToolListChange: onChanged });
    this.#current = connection;
    try {
      this.#requireOpen();
      await this.#agree(connection);
    } catch (error) {
      await connection.stop();
      if (!(error instanceof GatewayError)) throw error;
      throw unavailable(`${error.detail} ${printable(process.stderrTail())}`.trim(), error);
    }
    log.write('started', `pid ${process.pid}`);
    this.#starts += 1;
    const live = { connection, number: this.#starts };
    this.#live = live;
    connection.died.then((reason) => this.#onDeath(live, `${reason} ${process.stderrTail()}`));
    return live;
  }

  async #agree(connection: StdioConnection): Promise<void> {
    const { settings, timers } = this.#options;
    const nextId = () => `cmcp-${++this.#ids}`;
    const { timeoutMs } = settings;
    try {
      connection.dialect = await negotiateStdio(connection, { nextId, timeoutMs, timers, probe: this.#probe });
    } catch (error) {
      const died = error instanceof GatewayError && error.code === 'OUTCOME_UNKNOWN';
      if (died && connection.dialect === null) this.#probe = false;
      throw error;
    }
    const { dialect } = connection;
    if (dialect.announcesChanges && dialect.listen !== null) {
      connection.subscribe(nextId(), dialect.listen.method, dialect.listen.params, dialect);
    }
  }

  #requireOpen(): void {
    if (this.#closing !== null) throw unavailable('the connection to the server is closed');
  }

  #onDeath(live: Live, reason: string): void {
    if (this.#live === live) this.#live = null;
    this.#backoff.ended();
    this.#options.log.write('ended', reason.trim());
    // What was compared belongs to a process that no longer exists.
    if (this.#closing === null) this.#options.onChanged();
  }
}

function unavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail, { cause });
}
