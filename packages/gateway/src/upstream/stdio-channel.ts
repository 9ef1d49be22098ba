import type { JsonObject } from '@cmcp/evidence';
import type { ServerTransport } from '../catalog/types.ts';
import type { SandboxConfig } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { AskKind } from '../mcp/asks.ts';
import { type ClientDialect, OWN_TERMS } from '../mcp/client.ts';
import { Announcements, type Link } from './announcements.ts';
import { Backoff } from './backoff.ts';
import type { Channel, ChannelRequest } from './channel.ts';
import { childEnvironment } from './child-environment.ts';
import type { Credential } from './credential/credential.ts';
import { egressOf } from './egress.ts';
import { type EventLog, printable } from './event-log.ts';
import type { GuardRequest } from './guard.ts';
import type { Hearing } from './hearing.ts';
import type { IdentityEvents } from './identity-events.ts';
import { IdentityRefused } from './identity-refused.ts';
import { launchOf } from './launch.ts';
import { type MeasuredServer, measureServer } from './measure-server.ts';
import type { MonotonicTimers } from './monotonic.ts';
import type { News } from './news.ts';
import type { OwnRequests } from './own-requests.ts';
import { Revival } from './revival.ts';
import { sandboxLabel } from './sandbox.ts';
import { type Scope, unsent } from './scope.ts';
import { type ServerProcess, startServerProcess } from './server-process.ts';
import { StdioConnection } from './stdio-connection.ts';
import { negotiateStdio } from './stdio-negotiation.ts';
import type { UpstreamResult, UpstreamSettings } from './types.ts';

export interface StdioChannelOptions {
  spawn: Extract<ServerTransport, { kind: 'stdio' }>;
  /** What the catalog lets the server ask. */
  asks: readonly AskKind[];
  settings: UpstreamSettings;
  /** What the server is given of the gateway's, when it is started; null: nothing but the configured variables. */
  credential: Credential | null;
  baseEnv: Readonly<Record<string, string | undefined>>;
  /** Milliseconds between closed input, SIGTERM and SIGKILL. */
  graceMs: number;
  log: EventLog;
  identity: IdentityEvents;
  timers: MonotonicTimers;
  hearing: Hearing;
  news: News;
  /** The ids of everything that the gateway asks this server itself: one sequence for each server. */
  own: OwnRequests;
}

interface Live {
  connection: StdioConnection;
  dialect: ClientDialect;
  number: number;
  /** The server was told to send log messages. */
  logging: Promise<void> | null;
}

/** A stdio server that is started when it is needed, and again when it is needed after it died. */
export class StdioChannel implements Channel {
  readonly spacesStarts = true;
  readonly #options: StdioChannelOptions;
  readonly #backoff: Backoff;
  readonly #own: OwnRequests;
  readonly #announcements: Announcements;
  readonly #revival: Revival;
  #live: Live | null = null;
  #starting: Promise<Live> | null = null;
  #closing: Promise<void> | null = null;
  #starts = 0;
  /** The newest process, also while it is being asked who it is. */
  #current: StdioConnection | null = null;
  /** False once the server has died of being asked by `server/discover`. */
  #probe = true;

  constructor(options: StdioChannelOptions) {
    const { settings, timers, log, hearing, news, own } = options;
    this.#options = options;
    this.#backoff = new Backoff(timers);
    this.#own = own;
    this.#announcements = new Announcements({
      own: this.#own,
      timers,
      log,
      onMessage: (message) => void hearing.heard(message, null, null),
      onMissed: (wanted) => news.missed(wanted),
    });
    const again = () => this.#own.within(settings.timeoutMs, (scope) => this.#connected(scope));
    this.#revival = new Revival(timers, again, () => this.#announcements.wanted);
  }

  /** One pipe for everything: only with one request in flight is it clear for whom the server asks. */
  get exclusive(): boolean {
    return this.#options.asks.length > 0 && this.#live?.dialect.serverRequests !== false;
  }

  async connect(scope: Scope): Promise<ClientDialect> {
    return (await this.#connected(scope)).dialect;
  }

  async exchange(sent: ChannelRequest, scope: Scope): Promise<UpstreamResult> {
    const live = await this.#connected(scope);
    const { connection, dialect, number } = live;
    const { logging } = dialect;
    if (logging !== null && sent.terms.logLevel !== null) await scope.race(this.#logged(live, logging));
    if (scope.ended !== null) throw unsent(scope.ended);
    sent.admit(number, dialect.profile);
    return dialect.outcome(sent, await connection.exchange(sent, dialect, scope), sent.terms.offer);
  }

  async subscribe(uri: string, scope: Scope): Promise<boolean> {
    const { dialect } = await this.#connected(scope);
    return this.#announcements.add(uri, dialect, this.#requester(scope));
  }

  async unsubscribe(uri: string, scope: Scope): Promise<void> {
    const { dialect } = await this.#connected(scope);
    await this.#announcements.remove(uri, dialect, this.#requester(scope));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#revival.close();
    this.#announcements.detach();
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
      if (error instanceof IdentityRefused) this.#options.identity.refused(error.detail);
      this.#options.log.write('start_failed', error.detail);
      throw unavailable(error.detail, error);
    }
  }

  async #launch(): Promise<Live> {
    const { spawn, settings, credential } = this.#options;
    await credential?.ready();
    const given = { ...settings.env, ...shown(settings, credential) };
    const measured = await measureServer(spawn, given);
    try {
      return await this.#launchMeasured(measured, given);
    } finally {
      await measured.close();
    }
  }

  async #launchMeasured(measured: MeasuredServer, given: Record<string, string>): Promise<Live> {
    const { spawn, settings, baseEnv, graceMs, timers, log, hearing } = this.#options;
    this.#requireOpen();
    const { sandbox = null, maxResponseBytes } = settings;
    const env = childEnvironment(baseEnv, given);
    const request = await launchOf(measured, { env, graceMs, sandbox, own: ownFiles(spawn) });
    const process = await startServerProcess(request, measured.executable, timers);
    // Before the first byte: what was put in place between the look and the start is ended unheard (W-29).
    await unchanged(measured, process);
    const connection = new StdioConnection(process, { maxResponseBytes, log, timers, hearing });
    this.#current = connection;
    let dialect: ClientDialect;
    try {
      this.#requireOpen();
      dialect = await this.#agree(connection);
      // And once it has loaded what it needs to answer, before anything of a call.
      await unchanged(measured, process);
    } catch (error) {
      await connection.stop();
      if (!(error instanceof GatewayError)) throw error;
      if (error instanceof IdentityRefused) throw error;
      throw unavailable(`${error.detail} ${printable(process.stderrTail())}`.trim(), error);
    }
    log.write('started', `pid ${process.pid}`);
    this.#options.identity.started(factsOf(measured, request, sandbox));
    this.#starts += 1;
    const live: Live = { connection, dialect, number: this.#starts, logging: null };
    this.#live = live;
    connection.died.then((reason) => this.#onDeath(live, `${reason} ${process.stderrTail()}`));
    await this.#announcements.attach(this.#linkOf(live));
    return live;
  }

  async #agree(connection: StdioConnection): Promise<ClientDialect> {
    const { settings, asks } = this.#options;
    const { timeoutMs } = settings;
    try {
      const dialect = await negotiateStdio(connection, { own: this.#own, asks, timeoutMs, probe: this.#probe });
      connection.dialect = dialect;
      return dialect;
    } catch (error) {
      const died = error instanceof GatewayError && error.code === 'OUTCOME_UNKNOWN';
      if (died && connection.dialect === null) this.#probe = false;
      throw error;
    }
  }

  #linkOf({ connection, dialect }: Live): Link {
    return {
      dialect,
      request: (method, params) =>
        this.#own.briefly((scope) => connection.exchange(this.#own.message(method, params), dialect, scope)),
      openStream: (id, wanted, events) => {
        if (dialect.announcing.by !== 'listening') return () => {};
        const { method } = dialect.announcing;
        const params = dialect.params(dialect.announcing.params(wanted), OWN_TERMS);
        return connection.openStream(id, method, params, events);
      },
    };
  }

  /** Once for each connection, and only when somebody wants to hear log messages. */
  #logged(live: Live, { method, params }: { method: string; params: JsonObject }): Promise<void> {
    live.logging ??= this.#own.attempt(this.#linkOf(live).request(method, params), 'not_logging');
    return live.logging;
  }

  /** For requests of the gateway's own that belong to the connection, whichever it is by then. */
  #requester(scope: Scope): Link['request'] {
    return (method, params) => this.exchange(this.#own.message(method, params), scope);
  }

  #requireOpen(): void {
    if (this.#closing !== null) throw unavailable('the connection to the server is closed');
  }

  #onDeath(live: Live, reason: string): void {
    if (this.#live === live) this.#live = null;
    this.#announcements.detach();
    this.#backoff.ended();
    this.#options.log.write('ended', reason.trim());
    if (this.#closing !== null) return;
    // What was compared belongs to a process that no longer exists.
    this.#options.news.everyListChanged();
    this.#revival.start();
  }
}

function shown({ credential: settings }: UpstreamSettings, credential: Credential | null): Record<string, string> {
  return settings === null || credential === null ? {} : { [settings.variable]: credential.value };
}

async function unchanged(measured: MeasuredServer, process: ServerProcess): Promise<void> {
  try {
    await measured.recheck();
  } catch (error) {
    await process.kill();
    throw error;
  }
}

/** What a sandboxed server may read without being given it by the config. */
function ownFiles({ command, measureTarget, package: tree }: StdioChannelOptions['spawn']): string[] {
  return [command, measureTarget, tree?.path].filter((path) => typeof path === 'string');
}

function factsOf({ pinned }: MeasuredServer, { opened }: GuardRequest, sandbox: SandboxConfig | null): JsonObject {
  return {
    pinned: pinned.length === 0 ? 'nothing' : pinned.join(' '),
    executed: opened ? 'descriptor' : 'path',
    sandbox: sandboxLabel(sandbox),
    egress: egressOf(sandbox),
  };
}

function unavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail, { cause });
}
