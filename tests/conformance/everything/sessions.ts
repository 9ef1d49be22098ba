import { randomUUID } from 'node:crypto';
import {
  type McpRequestContext,
  type McpServer,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { EventLog } from './event-log.ts';

const SESSION = 'mcp-session-id';
const RETRY_MS = 100;

/** The handshake family over Streamable HTTP: sessions, whose streams can be resumed. */
export class Sessions {
  readonly #make: (context: McpRequestContext) => McpServer;
  readonly #open = new Map<string, WebStandardStreamableHTTPServerTransport>();

  constructor(make: (context: McpRequestContext) => McpServer) {
    this.#make = make;
  }

  async fetch(request: Request): Promise<Response> {
    const id = request.headers.get(SESSION);
    if (id === null) return this.#begin(request);
    const transport = this.#open.get(id);
    if (transport !== undefined) return transport.handleRequest(request);
    const error = { code: -32001, message: 'Session not found' };
    return Response.json({ jsonrpc: '2.0', id: null, error }, { status: 404 });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((transport) => transport.close()));
  }

  /** Without a session there is nothing to do but to open one; the transport refuses whatever is no handshake. */
  async #begin(request: Request): Promise<Response> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new EventLog(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => {
        this.#open.set(id, transport);
      },
      onsessionclosed: (id) => {
        this.#open.delete(id);
      },
    });
    const server = this.#make({ era: 'legacy', requestInfo: request });
    await server.connect(transport);
    const response = await transport.handleRequest(request);
    if (transport.sessionId === undefined) await server.close();
    return response;
  }
}
