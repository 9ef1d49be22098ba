import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '@cmcp/evidence';
import type { CatalogServer } from '../../packages/gateway/src/catalog/types.ts';
import { egressFor } from '../../packages/gateway/src/egress.ts';
import { type ErrorCode, GatewayError } from '../../packages/gateway/src/errors.ts';
import { type AskKind, type ClientAbilities, NO_ABILITIES } from '../../packages/gateway/src/mcp/asks.ts';
import type { ListKind } from '../../packages/gateway/src/mcp/types.ts';
import type {
  Upstream,
  UpstreamMethod,
  UpstreamRequest,
  UpstreamResult,
  UpstreamSettings,
} from '../../packages/gateway/src/upstream/types.ts';
import { createUpstream, type UpstreamDeps } from '../../packages/gateway/src/upstream/upstream.ts';

/** What a test needs of its context. */
interface Cleanup {
  after(run: () => Promise<void> | void): void;
}

export interface LogLine {
  event: string;
  detail: string;
}

/** An upstream that is closed with its test, and what it logged. */
export interface TestUpstream {
  upstream: Upstream;
  log: LogLine[];
  /** Resolves when the next line with `event` is logged, or at once when it has been. */
  logged(event: string): Promise<LogLine>;
  /** A tool call that ends with a result. */
  call(name: string, args?: JsonObject, more?: Partial<UpstreamRequest>): Promise<JsonObject>;
  send(method: UpstreamMethod, params: JsonObject, more?: Partial<UpstreamRequest>): Promise<UpstreamResult>;
  /** The keys of a list. */
  list(kind?: ListKind): Promise<string[]>;
}

const NEVER = new AbortController().signal;
let calls = 0;

/** Everything that a client can be asked or can take. */
export const ABLE: ClientAbilities = {
  elicitForm: true,
  elicitUrl: true,
  sample: true,
  sampleTools: true,
  sampleContext: true,
  roots: true,
  tasks: true,
};

export function connect(
  t: Cleanup,
  transport: CatalogServer['transport'],
  settings: Partial<UpstreamSettings> = {},
  deps: Partial<UpstreamDeps> & { asks?: AskKind[] } = {},
): TestUpstream {
  const log: LogLine[] = [];
  const waiting = new Set<() => void>();
  const note = (line: LogLine) => {
    log.push(line);
    for (const look of [...waiting]) look();
  };
  const limits = { timeoutMs: 20_000, maxResponseBytes: 1_000_000, concurrency: 16 };
  const whole = { ...limits, env: {}, headers: {}, credential: null, ...settings };
  const { asks = [], ...own } = deps;
  const server = { id: 'test', displayName: 'test', identity: '', transport, instructions: null, asks };
  const upstream = createUpstream(server, whole, note, {
    baseEnv: process.env,
    graceMs: 200,
    egress: egressFor([server], [whole.credential], null),
    ...own,
  });
  t.after(() => upstream.close());
  const send: TestUpstream['send'] = (method, params, more = {}) =>
    upstream.send({ ...requestOf(method, params), ...more });
  return {
    upstream,
    log,
    logged: (event) =>
      new Promise((resolve) => {
        const look = () => {
          const found = log.find((line) => line.event === event);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    call: async (name, args = {}, more = {}) => {
      const outcome = await send('tools/call', { name, arguments: args }, { inputSchema: {}, ...more });
      if (outcome.kind !== 'complete') throw new Error(`the call ended as ${outcome.kind}`);
      return outcome.result;
    },
    send,
    list: async (kind = 'tools') => (await upstream.list(kind, NEVER)).map(({ key }) => key),
  };
}

/** A request of a client that can be asked nothing and wants to hear nothing. */
function requestOf(method: UpstreamMethod, params: JsonObject): UpstreamRequest {
  calls += 1;
  return {
    callId: `call-${calls}`,
    method,
    params,
    inputSchema: null,
    maxBytes: null,
    trace: {},
    signal: NEVER,
    abilities: NO_ABILITIES,
    wantsProgress: false,
    logLevel: null,
    onNotice: () => {},
    onAsk: () => Promise.reject(new Error('nobody can be asked')),
    onUnoffered: async () => {},
    round: null,
  };
}

/** A stdio server: this Node running a script from npm, or a file. */
export function nodeServer(...args: string[]): CatalogServer['transport'] {
  return { kind: 'stdio', command: process.execPath, args, binaryDigest: null, measureTarget: null };
}

export const packageFile = (name: string): string =>
  fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/', import.meta.url)) + name;

/** The reference's everything-server, over Streamable HTTP. */
export async function everythingOverHttp(t: Cleanup): Promise<CatalogServer['transport']> {
  const probe = createTcpServer().listen(0);
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const args = [packageFile('server-everything/dist/index.js'), 'streamableHttp'];
  const server = spawn(process.execPath, args, { env: { PATH: process.env.PATH, PORT: String(port) } });
  server.stdout.resume();
  t.after(async () => {
    server.kill();
    await once(server, 'exit');
  });
  for await (const chunk of server.stderr as AsyncIterable<Buffer>) if (chunk.includes('listening')) break;
  return { kind: 'http', url: `http://127.0.0.1:${port}/mcp`, tlsFingerprint: null };
}

/**
 * A stdio server of the handshake family whose behaviour `script` changes: CommonJS with `send`, `raw`, `ok(id, result)`
 * and `text(string)` at hand, and `on.call`, `on.list`, `on.discover`, `on.initialize` to replace; `on.other` takes the rest.
 */
export function scripted(script: string): CatalogServer['transport'] {
  return nodeServer('-e', scriptOf(script));
}

/** The whole script of a {@link scripted} server. */
export const scriptOf = (script: string): string => `${PRELUDE}\n${script}`;

const PRELUDE = `
const raw = (text) => process.stdout.write(text);
const send = (message) => raw(JSON.stringify(message) + '\\n');
const ok = (id, result) => send({ jsonrpc: '2.0', id, result });
const refuse = (m) => send({ jsonrpc: '2.0', id: m.id, error: { code: -32601, message: 'no' } });
const text = (string) => ({ content: [{ type: 'text', text: string }] });
const tool = (name) => ({ name, inputSchema: { type: 'object' } });
const on = {
  discover: refuse,
  initialize: (m) => ok(m.id, { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'f', version: '1' } }),
  list: (m) => ok(m.id, { tools: [tool('t')] }),
  call: (m) => ok(m.id, text(JSON.stringify(m.params.arguments))),
  other: (m) => {},
};
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const m = JSON.parse(line);
  const name = { 'server/discover': 'discover', initialize: 'initialize', 'tools/list': 'list', 'tools/call': 'call' }[m.method];
  on[name ?? 'other'](m);
});
`;

export type Family = 'modern' | 'handshake';

/** For {@link scripted}: how a server of one family opens a connection, and what it says of itself. */
export function speaks(family: Family, capabilities: unknown, more: Record<string, unknown> = {}): string {
  const said = { capabilities, ...more };
  if (family === 'handshake') {
    const result = { protocolVersion: '2025-11-25', serverInfo: { name: 'f', version: '1' }, ...said };
    return `on.initialize = (m) => ok(m.id, ${JSON.stringify(result)});`;
  }
  const result = {
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    ttlMs: 0,
    cacheScope: 'private',
    ...said,
  };
  return `on.discover = (m) => ok(m.id, ${JSON.stringify(result)});`;
}

/** For assert.rejects: a GatewayError with this code. */
export const failsWith =
  (code: ErrorCode, detail?: RegExp) =>
  (error: unknown): boolean => {
    if (!(error instanceof GatewayError) || error.code !== code) throw error;
    if (detail !== undefined && !detail.test(error.detail)) throw error;
    return true;
  };

/** The text of a result with one text block. */
export function textOf(result: JsonObject): string {
  const [block] = result.content as JsonObject[];
  return String(block?.text);
}

/** Resolves when no process with this id runs any more; a zombie does not run. */
export async function gone(pid: number): Promise<void> {
  for (;;) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    if (stat === null || / [ZX] /.test(stat.slice(stat.lastIndexOf(')')))) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface Received {
  method: string;
  headers: IncomingHttpHeaders;
  /** Parsed body of a POST; `{}` for others. */
  message: Message;
  response: ServerResponse;
  /** Session id that `opening` gives out, where a test wants a certain one. */
  session?: string;
}

export interface Message {
  id?: string | number;
  method?: string;
  params?: {
    name?: string;
    arguments?: Record<string, unknown>;
    requestId?: unknown;
    cursor?: string;
    uri?: string;
    notifications?: Record<string, unknown>;
    capabilities?: Record<string, unknown>;
    _meta?: Record<string, unknown>;
    [name: string]: unknown;
  };
  result?: unknown;
  error?: unknown;
}

/** An HTTP server that does with each request what a test says; closed with the test. */
export interface FakeHttp {
  transport: CatalogServer['transport'];
  received: Received[];
  port: number;
  /** Stops listening and closes all connections. */
  stop: () => void;
}

export async function fakeHttp(t: Cleanup, handle: (request: Received) => void, tls?: TlsOptions): Promise<FakeHttp> {
  const received: Received[] = [];
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const message: Message = text === '' ? {} : JSON.parse(text);
      const whole: Received = { method: request.method ?? '', headers: request.headers, message, response };
      received.push(whole);
      handle(whole);
    });
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  t.after(stop);
  const { port } = server.address() as AddressInfo;
  const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/mcp`;
  return { transport: { kind: 'http', url, tlsFingerprint: null }, received, port, stop };
}

export function answerJson(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

export const resultFor = (message: Message, result: unknown): unknown => ({ jsonrpc: '2.0', id: message.id, result });

export const textResult = (text: string): unknown => ({ content: [{ type: 'text', text }] });

/** The opening and listing of a server of one family; what a test handles itself is left to it. */
export function opening(
  family: Family,
  capabilities: unknown = { tools: {} },
  more: Record<string, unknown> = {},
  tools: unknown[] = [{ name: 't', inputSchema: { type: 'object' } }],
): (request: Received) => boolean {
  const sessions = { count: 0 };
  return ({ method, message, response, session }) => {
    const modern = family === 'modern';
    if (message.method === 'server/discover' && modern) {
      const caching = { ttlMs: 0, cacheScope: 'private' };
      const discovered = { supportedVersions: ['2026-07-28'], capabilities, ...caching, ...more };
      answerJson(response, resultFor(message, { resultType: 'complete', ...discovered }));
    } else if (message.method === 'server/discover') {
      answerJson(response, { jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Bad Request' } }, 400);
    } else if (message.method === 'initialize' && !modern) {
      sessions.count += 1;
      const serverInfo = { name: 'f', version: '1' };
      const initialized = { protocolVersion: '2025-06-18', capabilities, serverInfo, ...more };
      answerJson(response, resultFor(message, initialized), 200, {
        'mcp-session-id': session ?? `session-${sessions.count}`,
      });
    } else if (message.method === 'tools/list') {
      answerJson(response, resultFor(message, { tools }));
    } else if (method === 'POST' && message.method?.startsWith('notifications/')) {
      response.writeHead(202).end();
    } else if (method === 'DELETE') {
      response.writeHead(204).end();
    } else if (method === 'GET') {
      response.writeHead(405).end();
    } else {
      return false;
    }
    return true;
  };
}
