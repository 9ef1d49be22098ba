import type { ServerResponse } from 'node:http';
import type { JsonObject } from '@cmcp/evidence';
import { answerJson, fakeHttp, type Received, resultFor } from './upstreams.ts';

/** What a server of a test offers: the definitions as it lists them. */
export interface Offered {
  tools: JsonObject[];
  resources: JsonObject[];
  resourceTemplates: JsonObject[];
  prompts: JsonObject[];
}

export const EVERYTHING: Offered = {
  tools: [{ name: 'echo', inputSchema: { type: 'object', properties: { text: { type: 'string' } } } }],
  resources: [{ uri: 'note:///one', name: 'One', mimeType: 'text/plain' }],
  resourceTemplates: [{ uriTemplate: 'note:///by-id/{id}', name: 'A note' }],
  prompts: [{ name: 'greet', arguments: [{ name: 'who', required: true }] }],
};

export const CAPABILITIES: JsonObject = {
  tools: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  prompts: { listChanged: true },
  completions: {},
  logging: {},
};

export type Family = '2026-07-28' | 'handshake';
type Script = (request: Received) => void;

export interface PeerOptions {
  family: Family;
  offered?: Offered;
  capabilities?: JsonObject;
}

/** A scripted MCP server over HTTP of either family: it opens and lists as told, records all, and leaves the rest to a test. */
export class Peer {
  readonly received: Received[] = [];
  readonly offered: Offered;
  readonly #family: Family;
  readonly #capabilities: JsonObject;
  readonly #scripts = new Map<string, Script>();
  readonly #waiting = new Set<() => void>();
  #url = '';

  constructor({ family, offered = EVERYTHING, capabilities = CAPABILITIES }: PeerOptions) {
    this.offered = offered;
    this.#family = family;
    this.#capabilities = capabilities;
  }

  static async listening(t: Parameters<typeof fakeHttp>[0], options: PeerOptions): Promise<Peer> {
    const peer = new Peer(options);
    const { port } = await fakeHttp(t, (request) => peer.#handle(request));
    peer.#url = `http://127.0.0.1:${port}/mcp`;
    return peer;
  }

  get url(): string {
    return this.#url;
  }

  /** What is done with a method; GET and DELETE are methods too. */
  on(method: string, script: Script): this {
    this.#scripts.set(method, script);
    return this;
  }

  /** Answers a method with a result. */
  answer(method: string, result: JsonObject | ((request: Received) => JsonObject)): this {
    return this.on(method, (request) => {
      const given = typeof result === 'function' ? result(request) : result;
      answerJson(request.response, resultFor(request.message, given));
    });
  }

  /** Answers a method with an error. */
  fail(method: string, error: JsonObject, status = 200): this {
    return this.on(method, ({ message, response }) =>
      answerJson(response, { jsonrpc: '2.0', id: message.id, error }, status),
    );
  }

  /** What reached it under a method, so far. */
  all(method: string): Received[] {
    return this.received.filter((request) => nameOf(request) === method);
  }

  /** The `count`th request under a method, once it is there. */
  async reached(method: string, count = 1): Promise<Received> {
    for (;;) {
      const found = this.all(method)[count - 1];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #handle(request: Received): void {
    this.received.push(request);
    const script = this.#scripts.get(nameOf(request));
    if (script === undefined) this.#standard(request);
    else script(request);
    for (const look of this.#waiting) look();
    this.#waiting.clear();
  }

  #standard(request: Received): void {
    const { message, response, method } = request;
    const said = (result: unknown): void => answerJson(response, resultFor(message, result));
    const lists: Record<string, JsonObject> = {
      'tools/list': { tools: this.offered.tools },
      'resources/list': { resources: this.offered.resources },
      'resources/templates/list': { resourceTemplates: this.offered.resourceTemplates },
      'prompts/list': { prompts: this.offered.prompts },
    };
    const name = nameOf(request);
    const modern = this.#family === '2026-07-28';
    if (method === 'DELETE') response.writeHead(204).end();
    else if (method !== 'POST') response.writeHead(405).end();
    else if (message.id === undefined || message.method === undefined) response.writeHead(202).end();
    else if (lists[name] !== undefined) said({ ...lists[name], ...(modern ? { resultType: 'complete' } : {}) });
    else if (name === 'server/discover' && modern) said(this.#discovered());
    else if (name === 'initialize' && !modern) this.#initialized(message, response);
    else if (name === 'logging/setLevel' || name === 'resources/subscribe' || name === 'resources/unsubscribe')
      said({});
    else answerJson(response, { jsonrpc: '2.0', id: message.id, error: { code: -32601, message: 'no' } }, 404);
  }

  #discovered(): JsonObject {
    const capabilities = this.#capabilities;
    const caching = { ttlMs: 0, cacheScope: 'private' };
    return { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities, ...caching };
  }

  #initialized(message: Received['message'], response: ServerResponse): void {
    const serverInfo = { name: 'peer', version: '1' };
    const result = { protocolVersion: '2025-11-25', capabilities: this.#capabilities, serverInfo };
    answerJson(response, resultFor(message, result), 200, {
      'mcp-session-id': `session-${this.all('initialize').length}`,
    });
  }
}

function nameOf({ method, message }: Received): string {
  if (method !== 'POST') return method;
  return message.method ?? 'response';
}

/** A stream of server-sent events as the answer to a request. */
export class Events {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse, headers: Record<string, string> = {}) {
    this.#response = response;
    response.writeHead(200, { 'content-type': 'text/event-stream', ...headers });
    response.flushHeaders();
  }

  send(message: unknown, id?: string): this {
    this.#response.write(`${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(message)}\n\n`);
    return this;
  }

  /** A notification. */
  tell(method: string, params: JsonObject = {}): this {
    return this.send({ jsonrpc: '2.0', method, params });
  }

  /** A request of the server's. */
  ask(id: string | number, method: string, params: JsonObject = {}): this {
    return this.send({ jsonrpc: '2.0', id, method, params });
  }

  end(): void {
    this.#response.end();
  }
}
