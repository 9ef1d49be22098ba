import { connect, type NetConnectOpts } from 'node:net';
import type { JsonObject } from '@cmcp/evidence';
import { AGENT_TOKEN } from './gateway.ts';
import { modern, type Sent } from './ingress.ts';

/** Writes `bytes` to a new connection and gives back everything that came until the other side closed it. */
export function exchangeBytes(to: NetConnectOpts, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(to, () => socket.write(bytes, 'latin1'));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // Whoever is reset has got what there was.
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

/** The status of each answer among bytes that were received. */
export function statusesOf(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.[01] (\d{3}) /g)]
    .map(([, status]) => Number(status))
    .filter((each) => each >= 200);
}

/** The parts of a stateless call of a tool, as they are written to a connection. */
export interface RawCall {
  /** Request line and all header fields but those of the framing, without the empty line. */
  head: string;
  body: string;
  /** The whole, framed as a client should. */
  whole: string;
}

export function rawCall(tool: string, fields: Record<string, string> = {}, meta: JsonObject = {}): RawCall {
  const { body, headers } = modern('tools/call', { name: tool, arguments: {} });
  Object.assign((body as { params: { _meta: JsonObject } }).params._meta, meta);
  const all = {
    Host: 'localhost',
    Authorization: `Bearer ${AGENT_TOKEN}`,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    ...headers,
    ...fields,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  const head = `POST /mcp HTTP/1.1\r\n${lines.join('')}`;
  const text = JSON.stringify(body);
  return { head, body: text, whole: `${head}Content-Length: ${text.length}\r\n\r\n${text}` };
}

/** A request as `send` would send it, as bytes. */
export function rawRequest({ method = 'POST', path = '/mcp', headers = {}, body, credential }: Sent): string {
  const text = body === undefined ? null : JSON.stringify(body);
  const fields = {
    Host: 'localhost',
    Authorization: String(credential),
    Accept: 'application/json, text/event-stream',
    ...(text !== null && { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(text)) }),
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${text ?? ''}`;
}
