import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions, TlsOptions } from 'node:tls';

/** A tool of a scripted server: its advertised members, and what it answers. */
export interface ScriptedTool {
  name: string;
  description?: string;
  inputSchema?: Record<string, unknown>;
  [member: string]: unknown;
}

type Answer = Record<string, unknown> | Promise<Record<string, unknown>>;

/** Thrown by a script: the request is answered with this JSON-RPC error. */
export class RpcFailure extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * A real MCP server over Streamable HTTP whose behaviour a test writes: handshake family, JSON answers. It records every
 * call that reached it, which is how a test shows that a refused one did not.
 */
export class ScriptedServer {
  readonly calls: { name: string; arguments: Record<string, unknown> }[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  tools: ScriptedTool[];
  /** What a call is answered with; by default its own arguments as text. */
  answer: (name: string, args: Record<string, unknown>, id: string) => Answer = (name, args) =>
    text(`${name} ${JSON.stringify(args)}`);
  /** Runs before its tools are listed; may wait, or throw an RpcFailure. */
  listing: () => void | Promise<void> = () => undefined;
  /** How often its tools were listed. */
  lists = 0;
  /** How many of its sessions the gateway has ended. */
  ended = 0;
  #url = '';
  readonly #tls: TlsOptions | null;
  readonly #server: ReturnType<typeof createServer> | ReturnType<typeof createHttpsServer>;

  constructor(tools: ScriptedTool[], tls: TlsOptions | null = null) {
    this.tools = tools;
    this.#tls = tls;
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch((error: unknown) => response.destroy(error as Error));
    };
    this.#server = tls === null ? createServer(serve) : createHttpsServer(tls, serve);
  }

  /** Shows another certificate to who connects from now on, and drops who is connected. */
  showInstead(certificate: SecureContextOptions): void {
    if (!('setSecureContext' in this.#server)) throw new Error('the server speaks plain HTTP');
    this.#server.setSecureContext({ ...this.#tls, ...certificate });
    this.#server.closeAllConnections();
  }

  get url(): string {
    return this.#url;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.#url = `${this.#tls === null ? 'http' : 'https'}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/mcp`;
    return this;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** The definition as the gateway sees it, for a catalog that approves it as it is. */
  definitions(): Record<string, unknown>[] {
    return this.tools.map((tool) => ({ inputSchema: { type: 'object' }, ...tool }));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') {
      if (request.method === 'DELETE') this.ended += 1;
      response.writeHead(request.method === 'DELETE' ? 200 : 405).end();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const message = JSON.parse(Buffer.concat(chunks).toString()) as { id?: unknown; method: string; params?: never };
    if (message.id === undefined) {
      response.writeHead(202).end();
      return;
    }
    this.headers.push(request.headers);
    const outcome = await this.#respond(message.method, message.params ?? {}, message.id).catch((error: unknown) => {
      if (error instanceof RpcFailure) return { error: { code: error.code, message: error.message } };
      throw error;
    });
    response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'scripted' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...outcome }));
  }

  async #respond(method: string, params: Record<string, unknown>, id: unknown): Promise<Record<string, unknown>> {
    if (method === 'initialize') {
      const serverInfo = { name: 'scripted', version: '1' };
      return { result: { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true } }, serverInfo } };
    }
    if (method === 'tools/list') {
      this.lists += 1;
      await this.listing();
      return { result: { tools: this.definitions() } };
    }
    if (method === 'tools/call') {
      const call = { name: String(params.name), arguments: (params.arguments ?? {}) as Record<string, unknown> };
      this.calls.push(call);
      return { result: await this.answer(call.name, call.arguments, String(id)) };
    }
    return { error: { code: -32601, message: 'Method not found' } };
  }
}

/** A tool result with one piece of text. */
export function text(content: string): Record<string, unknown> {
  return { content: [{ type: 'text', text: content }] };
}
