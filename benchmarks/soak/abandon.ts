import { connect } from 'node:net';
import type { JsonObject } from '@cmcp/evidence';
import { AGENT_TOKEN } from '../../tests/support/gateway.ts';
import { inSession, modern, open, type Sent } from '../../tests/support/ingress.ts';
import { WATCHED } from './setting.ts';

/** Milliseconds that somebody who leaves stays. */
const STAY_MS = 300;
const LISTEN = { notifications: { toolsListChanged: true, resourceSubscriptions: [WATCHED] } };

/** The ways to leave, one after the other. */
const WAYS: readonly ((session: string) => Sent)[] = [
  (session) => inSession(session, call('http_test_tool_with_progress')),
  (session) => ({
    ...inSession(session, ''),
    method: 'GET',
    headers: { 'Mcp-Session-Id': session, Accept: 'text/event-stream' },
  }),
  () => modern('subscriptions/listen', LISTEN),
  () => modern('tools/call', { name: 'stdio_test_tool_with_logging', arguments: {} }),
];

/** Opens a session, begins something in it or beside it, and is gone before it ends. */
export async function beginAndLeave(port: number, turn: number): Promise<void> {
  const session = await open(port, `Bearer ${AGENT_TOKEN}`);
  const way = WAYS[turn % WAYS.length] ?? modern;
  const { method = 'POST', headers = {}, body } = way(session);
  const text = body === '' ? '' : JSON.stringify(body);
  const fields = {
    Host: 'localhost',
    Authorization: `Bearer ${AGENT_TOKEN}`,
    Accept: 'application/json, text/event-stream',
    ...(method === 'POST' && { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(text)) }),
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`${method} /mcp HTTP/1.1\r\n${lines.join('')}\r\n${text}`),
    );
    setTimeout(() => socket.destroy(), STAY_MS);
    socket.on('error', () => {});
    socket.once('close', () => resolve());
  });
}

function call(name: string): JsonObject {
  const params = { name, arguments: {}, _meta: { progressToken: 'p' } };
  return { jsonrpc: '2.0', id: 1, method: 'tools/call', params };
}
