/**
 * A server of one family whose answers are written by hand, so that nothing between its text and the client's eye is a library:
 * numbers that no double holds, empty and large results, errors of every kind, pages, links, and calls that wait to be cancelled.
 *
 *     node tests/differential/odd-server.ts handshake
 *
 * speaks over stdio.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isObject, type JsonObject, type JsonValue, member, parseJson, stringifyJson } from '@cmcp/evidence';
import { readLines } from './lines.ts';

export type Family = 'handshake' | 'modern';

const PAGE = 4;
const INFO = { name: 'odd', version: '1' };
const ANY_OBJECT = { type: 'object' };
const NUMBERS =
  '{"huge":123456789012345678901234567890,"exact":1.50,"tiny":1e-400,"negative":-0,"odd":9007199254740993}';

const TOOLS: JsonObject[] = [
  { name: 'empty', description: 'Answers with nothing at all.' },
  { name: 'large', description: 'Answers with a large text.' },
  { name: 'structured', description: 'Answers with numbers.', outputSchema: ANY_OBJECT },
  { name: 'unicode', description: 'Says „日本語“, 🜁 and \u2028.', title: 'Ünïcode' },
  { name: 'failing', description: 'Fails.' },
  { name: 'every_block', description: 'Answers with every kind of content.' },
  { name: 'says', description: 'Says its arguments.', inputSchema: { type: 'object', properties: { value: {} } } },
  {
    name: 'error',
    description: 'Is answered with an error.',
    inputSchema: { type: 'object', properties: { code: { type: 'integer' } }, required: ['code'] },
  },
  { name: 'links', description: 'Links to what is approved, and to what is not.' },
  { name: 'wait', description: 'Waits until it is cancelled.' },
  { name: 'wait_started', description: 'Answers as soon as something waits.' },
  { name: 'wait_cancelled', description: 'Answers as soon as a wait was cancelled.' },
].map((tool) => ({ inputSchema: ANY_OBJECT, ...tool }));
const RESOURCES: JsonObject[] = Array.from({ length: 6 }, (_, n) => ({ uri: `odd://fixed/${n}`, name: `fixed ${n}` }));
const TEMPLATES: JsonObject[] = [{ uriTemplate: 'odd://by-name/{name}', name: 'by-name' }];
const PROMPTS: JsonObject[] = Array.from({ length: 5 }, (_, n) => ({
  name: `prompt_${n}`,
  arguments: [{ name: 'who' }],
}));

const link = (uri: string): JsonObject => ({ type: 'resource_link', uri, name: uri });
const text = (value: string): JsonObject => ({ type: 'text', text: value });

const ANSWERS: Record<string, JsonObject> = {
  empty: { content: [] },
  large: { content: [text('größer '.repeat(40_000))] },
  structured: { content: [text(NUMBERS)], structuredContent: parseJson(NUMBERS) },
  unicode: { content: [text('日本語 🜁 \u2028 \u0000 "\\" \u{10ffff}')], _meta: { 'odd/é': ['🜁'] } },
  failing: { content: [text('It failed.')], isError: true },
  every_block: {
    content: [
      { ...text('for you'), annotations: { audience: ['user'], priority: parseJson('0.50') } },
      { type: 'image', data: 'AAAA', mimeType: 'image/png' },
      { type: 'audio', data: 'AAAA', mimeType: 'audio/wav' },
      { ...link('odd://fixed/1'), title: 'One', size: 3 },
      { type: 'resource', resource: { uri: 'odd://fixed/2', blob: 'AAAA', mimeType: 'x/y' } },
    ],
  },
  links: {
    content: [
      link('odd://fixed/0'),
      link('odd://secret'),
      { type: 'resource', resource: { uri: 'file:///etc/passwd', text: 'root' } },
    ],
  },
};

/** An error that a request is answered with. */
class Failure extends Error {
  readonly body: JsonObject;
  constructor(code: number, message: string, data?: JsonValue) {
    super(message);
    this.body = { code, message, ...(data === undefined ? {} : { data }) };
  }
}

/** What the server knows while it runs. */
class OddServer {
  readonly #family: Family;
  readonly #waiting = new Map<string, () => void>();
  #arrivals = gate();
  #cancellations = gate();

  constructor(family: Family) {
    this.#family = family;
  }

  /** The response to a message; null: none, now or ever. */
  async receive(message: JsonObject, peer: string): Promise<JsonObject | null> {
    const { id, method } = message;
    const given = member(message, 'params');
    const params = isObject(given) ? given : {};
    if (id === undefined) {
      if (method === 'notifications/cancelled') this.cancel(keyOf(peer, member(params, 'requestId')));
      return null;
    }
    try {
      const result = await this.#answer(String(method), params, keyOf(peer, id));
      return result === null ? null : { jsonrpc: '2.0', id, result };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { jsonrpc: '2.0', id, error: error.body };
    }
  }

  cancel(key: string): void {
    this.#waiting.get(key)?.();
  }

  async #answer(method: string, params: JsonObject, key: string): Promise<JsonObject | null> {
    const modern = this.#family === 'modern';
    const opening = modern ? 'server/discover' : 'initialize';
    const capabilities = { tools: {}, resources: {}, prompts: {}, completions: {} };
    if (method === opening) {
      if (!modern) return { protocolVersion: '2025-11-25', capabilities, serverInfo: INFO };
      return this.#complete({ supportedVersions: ['2026-07-28'], capabilities, ttlMs: 0, cacheScope: 'private' });
    }
    if (modern && method === 'initialize') {
      throw new Failure(-32022, 'Unsupported protocol version', { supported: ['2026-07-28'], requested: '2025-11-25' });
    }
    const page = LISTS[method];
    if (page !== undefined) return this.#complete({ ...pageOf(page, params), ...(modern && FRESH) });
    if (method === 'tools/call') {
      const called = await this.#call(String(params.name), params, key);
      return called === null ? null : this.#complete(called);
    }
    if (method === 'resources/read') return this.#complete({ ...this.#read(String(params.uri)), ...(modern && FRESH) });
    if (method === 'prompts/get') return this.#complete(getPrompt(params));
    if (method === 'completion/complete') return this.#complete({ completion: { values: ['a', 'ä'], total: 2 } });
    if (method === 'ping' && !modern) return {};
    throw new Failure(-32601, `No method ${method}`);
  }

  #complete(result: JsonObject): JsonObject {
    return this.#family === 'modern' ? { ...result, resultType: 'complete' } : result;
  }

  async #call(name: string, params: JsonObject, key: string): Promise<JsonObject | null> {
    const args = member(params, 'arguments');
    if (name === 'says') return { content: [text(stringifyJson(args ?? null))] };
    if (name === 'error') throw new Failure(Number(isObject(args) ? args.code : 0), 'As you wish.', { reason: '🜁' });
    if (name === 'wait') return this.#wait(key);
    if (name === 'wait_started') await this.#arrivals.passed;
    if (name === 'wait_cancelled') {
      await this.#cancellations.passed;
      [this.#arrivals, this.#cancellations] = [gate(), gate()];
    }
    if (name.startsWith('wait_')) return { content: [text('So it is.')] };
    const answer = ANSWERS[name];
    if (answer === undefined) throw new Failure(-32602, `Unknown tool: ${name}`);
    return answer;
  }

  async #wait(key: string): Promise<null> {
    await new Promise<void>((cancelled) => {
      this.#waiting.set(key, cancelled);
      this.#arrivals.pass();
    });
    this.#cancellations.pass();
    return null;
  }

  #read(uri: string): JsonObject {
    const known = /^odd:\/\/(fixed\/[0-5]|by-name\/[^/]+)$/.test(uri);
    if (known) return { contents: [{ uri, mimeType: 'text/plain', text: `At ${uri}` }] };
    throw new Failure(this.#family === 'modern' ? -32602 : -32002, 'Resource not found', { uri });
  }
}

const FRESH = { ttlMs: 0, cacheScope: 'private' };
const LISTS: Record<string, [member: string, items: JsonObject[]]> = {
  'tools/list': ['tools', TOOLS],
  'resources/list': ['resources', RESOURCES],
  'resources/templates/list': ['resourceTemplates', TEMPLATES],
  'prompts/list': ['prompts', PROMPTS],
};

function pageOf([name, items]: [string, JsonObject[]], params: JsonObject): JsonObject {
  const cursor = member(params, 'cursor');
  const from = cursor === undefined ? 0 : /^\d+$/.test(String(cursor)) ? Number(cursor) : -1;
  if (!Number.isInteger(from) || from < 0 || from >= items.length) throw new Failure(-32602, 'Unknown cursor');
  const next = from + PAGE;
  return { [name]: items.slice(from, next), ...(next < items.length ? { nextCursor: String(next) } : {}) };
}

function getPrompt(params: JsonObject): JsonObject {
  const prompt = PROMPTS.find(({ name }) => name === params.name);
  if (prompt === undefined) throw new Failure(-32602, `Unknown prompt: ${params.name}`);
  const content = text(`${params.name} for ${stringifyJson(member(params, 'arguments') ?? null)}`);
  return {
    description: 'Odd',
    messages: [
      { role: 'user', content },
      { role: 'assistant', content },
    ],
  };
}

const keyOf = (peer: string, id: JsonValue | undefined): string => `${peer} ${stringifyJson(id ?? null)}`;

function gate(): { passed: Promise<void>; pass: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, pass: resolve };
}

/** Serves it on a port; every answer is plain JSON. */
export async function startOddServer(family: Family): Promise<{ url: string; close: () => Promise<void> }> {
  const odd = new OddServer(family);
  const http = createServer((request, response) => {
    serve(odd, family, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    close: async () => {
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      http.closeAllConnections();
      await closed;
    },
  };
}

let peers = 0;

async function serve(odd: OddServer, family: Family, request: IncomingMessage, response: ServerResponse) {
  if (request.method !== 'POST') return void response.writeHead(405).end();
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const message = parseJson(Buffer.concat(chunks)) as JsonObject;
  // A stateless request is cancelled by whoever closes its connection, and ids mean nothing between connections.
  peers += 1;
  const peer = family === 'modern' ? String(peers) : 'session';
  response.once('close', () => odd.cancel(keyOf(peer, message.id)));
  const answer = await odd.receive(message, peer);
  if (response.destroyed) return;
  if (answer === null) return void response.writeHead(202).end();
  const error = member(answer, 'error');
  const status = isObject(error) && error.code === -32022 ? 400 : 200;
  response.writeHead(status, { 'content-type': 'application/json' }).end(stringifyJson(answer));
}

if (import.meta.main) {
  const odd = new OddServer(process.argv[2] === 'modern' ? 'modern' : 'handshake');
  readLines(process.stdin, async (line) => {
    const answer = await odd.receive(parseJson(line) as JsonObject, 'stdio');
    if (answer !== null) process.stdout.write(`${stringifyJson(answer)}\n`);
  });
}
