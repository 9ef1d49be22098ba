import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '@cmcp/evidence';
import type { CatalogServer } from '../../packages/gateway/src/catalog/types.ts';
import { type ErrorCode, GatewayError } from '../../packages/gateway/src/errors.ts';
import type { Upstream, UpstreamSettings } from '../../packages/gateway/src/upstream/types.ts';
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
  call(name: string, args?: JsonObject, more?: Partial<CallOptions>): Promise<JsonObject>;
}

interface CallOptions {
  callId: string;
  signal: AbortSignal;
  inputSchema: JsonObject;
}

const NEVER = new AbortController().signal;
let calls = 0;

export function connect(
  t: Cleanup,
  transport: CatalogServer['transport'],
  settings: Partial<UpstreamSettings> = {},
  deps: Partial<UpstreamDeps> = {},
): TestUpstream {
  const log: LogLine[] = [];
  const waiting = new Set<() => void>();
  const note = (line: LogLine) => {
    log.push(line);
    for (const look of [...waiting]) look();
  };
  const whole = { timeoutMs: 20_000, maxResponseBytes: 1_000_000, env: {}, headers: {}, ...settings };
  const server = { id: 'test', displayName: 'test', identity: '', transport };
  const upstream = createUpstream(server, whole, note, { baseEnv: process.env, graceMs: 200, ...deps });
  t.after(() => upstream.close());
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
      calls += 1;
      const call = { callId: `call-${calls}`, tool: name, arguments: args, inputSchema: {}, signal: NEVER, ...more };
      return (await upstream.callTool(call)).result;
    },
  };
}

/** A stdio server: this Node running a script from npm, or a file. */
export function nodeServer(...args: string[]): CatalogServer['transport'] {
  return { kind: 'stdio', command: process.execPath, args, binaryDigest: null, measureTarget: null };
}

export const packageFile = (name: string): string =>
  fileURLToPath(new URL('../../node_modules/@modelcontextprotocol/', import.meta.url)) + name;

/**
 * A stdio server of the handshake family whose behaviour `script` changes: CommonJS with `send`, `raw`, `ok(id, result)`
 * and `text(string)` at hand, and `on.call`, `on.list`, `on.discover`, `on.initialize` to replace.
 */
export function scripted(script: string): CatalogServer['transport'] {
  return nodeServer('-e', `${PRELUDE}\n${script}`);
}

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
