import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The upstream of the benchmark: one tool, answered from memory, 1 KB of text. It does as little as an MCP server can, so
 * that what stands in front of it shows. Prints its port.
 */
const PAYLOAD = 'x'.repeat(1024);
const TOOL = { name: 'echo', description: 'Answers 1 KB', inputSchema: { type: 'object' } };

function respond(method: string): unknown {
  if (method === 'tools/call') return { content: [{ type: 'text', text: PAYLOAD }] };
  if (method === 'tools/list') return { tools: [TOOL] };
  const serverInfo = { name: 'bench', version: '1' };
  return { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo };
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    const message = JSON.parse(Buffer.concat(chunks).toString()) as { id?: unknown; method: string };
    if (message.id === undefined) return response.writeHead(202).end();
    if (message.method === 'server/discover') {
      const error = { code: -32601, message: 'Method not found' };
      return response.writeHead(404, HEADERS).end(JSON.stringify({ jsonrpc: '2.0', id: message.id, error }));
    }
    const body = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: respond(message.method) });
    return response.writeHead(200, { ...HEADERS, 'content-length': Buffer.byteLength(body) }).end(body);
  });
});

const HEADERS = { 'content-type': 'application/json' };

server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
