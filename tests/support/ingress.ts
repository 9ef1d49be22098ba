import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { type JsonObject, type JsonValue, sha256Hex } from '@cmcp/evidence';
import { GatewayError } from '@cmcp/gateway';
import { systemClock } from '../../packages/gateway/src/clock.ts';
import type { AgentCredential } from '../../packages/gateway/src/config/types.ts';
import { bearerSource } from '../../packages/gateway/src/identity/bearer.ts';
import { createHttpIngress, type HttpIngress, type HttpIngressDeps } from '../../packages/gateway/src/ingress/http.ts';
import { FakeGovernedGateway } from './fake-governed.ts';

export const ALICE = 'Bearer token-of-alice';
export const BOB = 'Bearer token-of-bob';
export const MODERN = '2026-07-28';

export interface Served {
  gateway: FakeGovernedGateway;
  ingress: HttpIngress;
  port: number;
  /** Errors that no GatewayError explains; a test that expects none checks that it is empty. */
  faults: unknown[];
}

export interface Answered {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  json: JsonObject;
}

/** A credential of the configuration. */
export function agentWith(subject: string, token: string): AgentCredential {
  return { subject, tokenSha256: [sha256Hex(token)], expiresMicros: null, scopes: null, groups: [] };
}

/** An ingress on a free loopback port with two agents, closed when the test ends. */
export async function serve(t: TestContext, overrides: Partial<HttpIngressDeps> = {}): Promise<Served> {
  const gateway = new FakeGovernedGateway();
  const faults: unknown[] = [];
  const ingress = createHttpIngress({
    listen: { host: '127.0.0.1', port: 0 },
    allowedHosts: [],
    allowedOrigins: ['https://app.example'],
    limits: { bodyBytes: 1_000_000, depth: 32 },
    sessions: { idleMs: 60_000, maxOpen: 100 },
    agents: [
      bearerSource({ now: [agentWith('alice', 'token-of-alice'), agentWith('bob', 'token-of-bob')] }, systemClock),
    ],
    gateway,
    tls: null,
    attest: () => Promise.reject(new GatewayError('ATTESTATION_FAILED', 'a test that asks says what is answered')),
    onFault: (error) => faults.push(error),
    ...overrides,
  });
  const { port } = await ingress.listen();
  t.after(() => {
    gateway.release();
    return ingress.close();
  });
  return { gateway, ingress, port, faults };
}

export interface Sent {
  /** Address to connect to. */
  host?: string;
  method?: string;
  path?: string;
  headers?: Record<string, string | string[]>;
  /** Sent as it is; anything else as JSON. */
  body?: string | Uint8Array | JsonValue;
  credential?: string | null;
}

/** One HTTP request as `sent` says, with Alice's credential unless told otherwise. */
export function send(port: number, sent: Sent): Promise<Answered> {
  const { host = '127.0.0.1', method = 'POST', path = '/mcp', headers = {}, body, credential = ALICE } = sent;
  const payload = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        port,
        host,
        method,
        path,
        agent: false,
        headers: {
          ...(payload === undefined
            ? {}
            : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }),
          ...(credential === null ? {} : { Authorization: credential }),
          Accept: 'application/json, text/event-stream',
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const isJson = response.headers['content-type'] === 'application/json';
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: isJson ? JSON.parse(text) : {},
          });
        });
      },
    );
    request.on('error', reject);
    request.end(payload);
  });
}

/** One block of an event stream: what its fields say, or a comment. */
export interface StreamedEvent {
  id?: string;
  retry?: string;
  comment?: string;
  /** The message; null for an event that only brings an id. */
  message: JsonObject | null;
}

export interface OpenStream {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** The next block, comments included; null at the end of the stream. */
  block(): Promise<StreamedEvent | null>;
  /** The next message; null at the end of the stream. */
  next(): Promise<JsonObject | null>;
  /** Everything until the end of the stream. */
  rest(): Promise<StreamedEvent[]>;
  /** Closes the connection. */
  close(): void;
}

/** Sends a request and reads its answer as a stream of events, one at a time. */
export async function stream(port: number, sent: Sent): Promise<OpenStream> {
  const { method = 'POST', path = '/mcp', headers = {}, body, credential = ALICE } = sent;
  const payload = body === undefined ? null : JSON.stringify(body);
  const request = httpRequest({
    port,
    host: '127.0.0.1',
    method,
    path,
    agent: false,
    headers: {
      ...(payload === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(payload) }),
      ...(credential === null ? {} : { Authorization: credential }),
      Accept: 'application/json, text/event-stream',
      ...headers,
    },
  });
  request.on('error', () => {});
  request.end(payload ?? undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => {});
  response.setEncoding('utf8');
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<string>;
  let text = '';
  const block = async (): Promise<StreamedEvent | null> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const found = readBlock(text.slice(0, end));
        text = text.slice(end + 2);
        return found;
      }
      const { value, done } = await chunks.next().catch(() => ({ value: undefined, done: true }));
      if (done === true) return null;
      text += value ?? '';
    }
  };
  const next = async (): Promise<JsonObject | null> => {
    for (let event = await block(); event !== null; event = await block())
      if (event.message !== null) return event.message;
    return null;
  };
  const rest = async (): Promise<StreamedEvent[]> => {
    const events: StreamedEvent[] = [];
    for (let event = await block(); event !== null; event = await block()) events.push(event);
    return events;
  };
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    block,
    next,
    rest,
    close: () => request.destroy(),
  };
}

function readBlock(text: string): StreamedEvent {
  const event: StreamedEvent = { message: null };
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (name === '') event.comment = value;
    else if (name === 'id' || name === 'retry') event[name] = value;
    else if (name === 'data' && value !== '') event.message = JSON.parse(value);
  }
  return event;
}

/** Writes `text` to a new connection and gives back everything that came until the server closed it. */
export function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'));
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

/** The `_meta` that every request of the stateless family carries. */
export function envelope(extra: JsonObject = {}, version = MODERN): JsonObject {
  return {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': {},
    ...extra,
  };
}

/** A complete stateless request, its headers as a conforming client sets them. */
export function modern(
  method: string,
  params: JsonObject = {},
  more: { id?: JsonValue; headers?: Record<string, string> } = {},
): Sent {
  const target = params.name ?? params.uri ?? params.taskId;
  const body = { jsonrpc: '2.0', id: more.id ?? 1, method, params: { _meta: envelope(), ...params } };
  return {
    body,
    headers: {
      'MCP-Protocol-Version': MODERN,
      'Mcp-Method': method,
      ...(typeof target === 'string' ? { 'Mcp-Name': target } : {}),
      ...more.headers,
    },
  };
}

/** An `initialize` request. */
export function initialize(version = '2025-11-25', capabilities: JsonObject = {}): Sent {
  const params = { protocolVersion: version, capabilities, clientInfo: { name: 'test', version: '1' } };
  return { body: { jsonrpc: '2.0', id: 'init', method: 'initialize', params } };
}

/** Opens a handshake session and gives back its id. */
export async function open(
  port: number,
  credential = ALICE,
  version?: string,
  capabilities?: JsonObject,
): Promise<string> {
  const answer = await send(port, { ...initialize(version, capabilities), credential });
  return String(answer.headers['mcp-session-id']);
}

/** A message in a handshake session. */
export function inSession(session: string, body: JsonValue, more: Sent = {}): Sent {
  return {
    body,
    ...more,
    headers: { 'Mcp-Session-Id': session, 'MCP-Protocol-Version': '2025-11-25', ...more.headers },
  };
}

/** The JSON-RPC error of an answer. */
export function errorOf(answer: Answered): { code: number; message: string; data: JsonObject } {
  const { error } = answer.json as unknown as { error: { code: number; message: string; data: JsonObject } };
  return error;
}
