import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { localhostHostValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { answerTo } from './answers.ts';

/** As much of a catalog as its stand-ins need. */
export interface ExampleCatalog {
  servers: { id: string; url: string; instructions?: string }[];
  tools: Item[];
  resources: Item[];
  prompts: Item[];
}

interface Item {
  server: string;
  definition: Record<string, unknown> & { name: string; uri?: string; uriTemplate?: string };
}

/** Serves what a catalog approves of one server, with made-up answers, on a port of this machine; 0 takes a free one. */
export async function standIn(
  catalog: ExampleCatalog,
  id: string,
  port: number,
): Promise<{ url: string; close(): Promise<void> }> {
  const handler = createMcpHandler(() => serverOf(catalog, id));
  const serve = toNodeHandler(handler);
  const allowed = localhostHostValidation();
  const http = createServer((request, response) => {
    const { method = 'GET', url = '/' } = request;
    if (allowed(request, response)) void serve(Object.assign(request, { method, url }), response);
  });
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    close: async () => {
      await handler.close();
      const closed = new Promise<void>((resolve) => http.close(() => resolve()));
      http.closeAllConnections();
      await closed;
    },
  };
}

function serverOf(catalog: ExampleCatalog, id: string): McpServer {
  const own = (items: Item[]) => items.filter(({ server }) => server === id).map(({ definition }) => definition);
  const { instructions } = catalog.servers.find((each) => each.id === id) ?? {};
  const [tools, resources, prompts] = [own(catalog.tools), own(catalog.resources), own(catalog.prompts)];
  const capabilities = {
    ...(tools.length > 0 ? { tools: {} } : {}),
    ...(resources.length > 0 ? { resources: {} } : {}),
    ...(prompts.length > 0 ? { prompts: {} } : {}),
  };
  const server = new McpServer(
    { name: id, version: '1.0.0' },
    { capabilities, ...(instructions === undefined ? {} : { instructions }) },
  );
  const { server: raw } = server;
  if (tools.length > 0) {
    raw.setRequestHandler('tools/list', () => ({ tools: tools as never }));
    raw.setRequestHandler('tools/call', ({ params }) => {
      const structuredContent = answerTo(params.name, params.arguments ?? {}) as Record<string, unknown>;
      return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
    });
  }
  if (resources.length > 0) {
    raw.setRequestHandler('resources/list', () => ({
      resources: resources.filter(({ uri }) => uri !== undefined) as never,
    }));
    raw.setRequestHandler('resources/templates/list', () => ({
      resourceTemplates: resources.filter(({ uriTemplate }) => uriTemplate !== undefined) as never,
    }));
    raw.setRequestHandler('resources/read', ({ params }) => ({
      contents: [{ uri: params.uri, mimeType: 'text/markdown', text: `# ${params.uri}\n\nAn example.` }],
    }));
  }
  if (prompts.length > 0) {
    raw.setRequestHandler('prompts/list', () => ({ prompts: prompts as never }));
    raw.setRequestHandler('prompts/get', ({ params }) => ({
      messages: [
        { role: 'user', content: { type: 'text', text: `Answer politely: ${JSON.stringify(params.arguments)}` } },
      ],
    }));
  }
  return server;
}
