import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { CatalogServer } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import { checkToolResult, readToolPage } from '../mcp/client.ts';
import { parameterHeaders } from '../mcp/headers.ts';
import type { Channel } from './channel.ts';
import { EventLog } from './event-log.ts';
import { HttpChannel } from './http-channel.ts';
import { type MonotonicTimers, monotonicTimers } from './monotonic.ts';
import { Scope } from './scope.ts';
import { StdioChannel } from './stdio-channel.ts';
import type { LiveTool, Upstream, UpstreamCall, UpstreamLog, UpstreamResult, UpstreamSettings } from './types.ts';

const GRACE_MS = 2000;
const MAX_PAGES = 100;
const MAX_TOOLS = 10_000;
/** Of tools that are left out, so many are named in the log, each so long. */
const MAX_NAMED = 20;
const MAX_REASON = 200;

export interface UpstreamDeps {
  /** Environment that the allow-listed variables of a child are taken from. */
  baseEnv: Readonly<Record<string, string | undefined>>;
  /** Certificates (PEM) that HTTPS servers must chain to; absent: those that Node trusts. */
  ca?: string[];
  timers?: MonotonicTimers;
  /** Milliseconds that a child is given after its input is closed, and again after SIGTERM. */
  graceMs?: number;
}

/**
 * Connects to nothing yet: the first use does. What the catalog gets wrong about a server (relative command, plain HTTP to
 * another machine) is reported by that use, so that one bad server does not keep the others from being served (LIFE-03).
 * @throws GatewayError CONFIG_INVALID when `settings.headers` names a field that the gateway sets itself
 */
export function createUpstream(
  server: CatalogServer,
  settings: UpstreamSettings,
  log: UpstreamLog,
  deps: UpstreamDeps,
): Upstream {
  const listeners: (() => void)[] = [];
  const timers = deps.timers ?? monotonicTimers;
  const events = new EventLog(server.id, log);
  const onChanged = () => {
    for (const listener of listeners) listener();
  };
  const { transport } = server;
  const common = { settings, log: events, timers, onChanged };
  const channel: Channel =
    transport.kind === 'stdio'
      ? new StdioChannel({ ...common, spawn: transport, baseEnv: deps.baseEnv, graceMs: deps.graceMs ?? GRACE_MS })
      : new HttpChannel({ ...common, target: transport, ca: deps.ca ?? null });
  return new ServerUpstream(server.id, channel, listeners, settings.timeoutMs, timers, events);
}

class ServerUpstream implements Upstream {
  readonly serverId: string;
  readonly #channel: Channel;
  readonly #listeners: (() => void)[];
  readonly #timeoutMs: number;
  readonly #timers: MonotonicTimers;
  readonly #log: EventLog;
  /** Connection whose definitions were read last; null before the first listing. */
  #listed: number | null = null;
  #lists = 0;

  constructor(
    id: string,
    channel: Channel,
    listeners: (() => void)[],
    timeoutMs: number,
    timers: MonotonicTimers,
    log: EventLog,
  ) {
    this.serverId = id;
    this.#channel = channel;
    this.#listeners = listeners;
    this.#timeoutMs = timeoutMs;
    this.#timers = timers;
    this.#log = log;
  }

  callTool(call: UpstreamCall): Promise<UpstreamResult> {
    const params: JsonObject = { name: call.tool, arguments: call.arguments };
    const request = { id: call.callId, method: 'tools/call', params, inputSchema: call.inputSchema };
    return this.#scoped(call.signal, async (scope) => {
      const admit = (connection: number) => this.#requireListed(connection);
      return { result: checkToolResult(await this.#channel.exchange({ ...request, admit }, scope)) };
    });
  }

  listTools(signal: AbortSignal): Promise<LiveTool[]> {
    return this.#scoped(signal, async (scope) => {
      const found: JsonValue[] = [];
      let connection: number | null = null;
      // Pages of a process that ended meanwhile do not count for its successor.
      const admit = (number: number) => {
        connection ??= number;
      };
      let cursor: string | null = null;
      for (let pages = 1; ; pages += 1) {
        const params: JsonObject = cursor === null ? {} : { cursor };
        const id = `cmcp-list-${++this.#lists}`;
        const page = readToolPage(
          await this.#channel.exchange({ id, method: 'tools/list', params, inputSchema: null, admit }, scope),
        );
        found.push(...page.tools);
        cursor = page.nextCursor;
        if (found.length > MAX_TOOLS) throw endless(`more than ${MAX_TOOLS} tools`);
        if (cursor === null) break;
        if (pages === MAX_PAGES) throw endless(`more than ${MAX_PAGES} pages of tools`);
      }
      this.#listed = connection;
      return this.#usable(found);
    });
  }

  onChanged(listener: () => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  /** A restarted server may offer other tools under the same names: no call before they were listed anew. */
  #requireListed(connection: number): void {
    if (this.#listed !== null && this.#listed !== connection) {
      throw unavailable('the server was restarted and its definitions were not compared yet');
    }
  }

  async #scoped<T>(signal: AbortSignal, work: (scope: Scope) => Promise<T>): Promise<T> {
    const scope = new Scope(signal, this.#timeoutMs, this.#timers);
    try {
      return await work(scope);
    } finally {
      scope.dispose();
    }
  }

  /** MCP26-33: a tool that cannot be called as the protocol demands is left out, with a warning; the others stay. */
  #usable(found: JsonValue[]): LiveTool[] {
    const byName = new Map<string, LiveTool | null>();
    const leftOut: string[] = [];
    for (const value of found) {
      const tool = readTool(value);
      if (typeof tool === 'string') {
        leftOut.push(tool);
        continue;
      }
      // Which of two is meant by a call cannot be known, so neither is offered.
      if (byName.has(tool.name)) leftOut.push(`${tool.name}: listed twice`);
      byName.set(tool.name, byName.has(tool.name) ? null : tool);
    }
    if (leftOut.length > 0) {
      const named = leftOut.slice(0, MAX_NAMED).map((reason) => reason.slice(0, MAX_REASON));
      this.#log.write('tools_left_out', `${leftOut.length}: ${named.join('; ')}`);
    }
    return [...byName.values()].filter((tool) => tool !== null);
  }
}

/** The tool, or the reason why it is not offered. */
function readTool(value: JsonValue): LiveTool | string {
  const name = isObject(value) ? member(value, 'name') : undefined;
  const schema = isObject(value) ? member(value, 'inputSchema') : undefined;
  if (!isObject(value) || typeof name !== 'string' || name === '') return 'a tool without a name';
  if (!isObject(schema)) return `${name}: no input schema`;
  try {
    parameterHeaders(schema);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `${name}: ${error.detail}`;
  }
  return { name, definition: value };
}

function endless(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', `the server lists ${detail}`);
}

function unavailable(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail);
}
