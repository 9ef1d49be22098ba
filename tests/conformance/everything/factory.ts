import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type McpRequestContext,
  McpServer,
  type ServerContext,
  type ServerEvent,
} from '@modelcontextprotocol/server';
import { askTools } from './ask-tools.ts';
import { contentTools } from './content-tools.ts';
import { liveTools } from './live-tools.ts';
import { servePrompts } from './prompts.ts';
import { Subscriptions, serveResources } from './resources.ts';
import { roundTools } from './round-tools.ts';
import type { Shared, Surroundings } from './shared.ts';
import { serveTaskMethods, TASKS } from './task-methods.ts';
import { taskTools } from './task-tools.ts';
import { serveTools } from './tool.ts';

const LIST = { ttlMs: 60_000, cacheScope: 'public' as const };

/** Makes the instances of one everything-server, for either family of revisions. */
export function everythingFactory(shared: Shared): (context: McpRequestContext) => McpServer {
  return ({ era }) => {
    const modern = era === 'modern';
    const server = new McpServer(
      { name: 'everything', version: '1.0.0' },
      {
        instructions: 'Offers one of everything that MCP has.',
        capabilities: {
          tools: { listChanged: true },
          prompts: { listChanged: true },
          resources: { listChanged: true, subscribe: true },
          logging: {},
          ...(modern && { extensions: { [TASKS]: {} } }),
        },
        cacheHints: { 'tools/list': LIST, 'prompts/list': LIST, 'resources/list': LIST },
        requestState: { verify: shared.state.verify },
      },
    );
    const around: Surroundings = {
      ...shared,
      capabilitiesOf: (ctx) => declaredIn(ctx) ?? server.server.getClientCapabilities() ?? {},
    };
    const tools = [contentTools(), liveTools(shared), askTools(), roundTools(around), taskTools(around)];
    serveTools(server, tools.flat());
    serveResources(server);
    servePrompts(server);
    if (modern) serveTaskMethods(server, around);
    return server;
  };
}

/**
 * The same for connections that last: their instance tells its client of changes, as long as it is connected. An instance
 * that serves one request needs none of it, because `createMcpHandler` listens for those.
 */
export function lastingFactory(shared: Shared): (context: McpRequestContext) => McpServer {
  const make = everythingFactory(shared);
  return (context) => {
    const server = make(context);
    const subscriptions = context.era === 'legacy' ? new Subscriptions(server) : null;
    const leave = shared.changes.subscribe((event) => {
      if (!server.isConnected() || subscriptions?.wants(event) === false) return;
      announce(server, event).catch((error: unknown) => console.error('a client did not hear of a change:', error));
    });
    server.server.onclose = leave;
    return server;
  };
}

/** What the client of a request of the modern family says there that it can do; in the other the handshake said it. */
function declaredIn(ctx: ServerContext): ClientCapabilities | undefined {
  const envelope: Readonly<Record<string, unknown>> = ctx.mcpReq.envelope ?? {};
  return envelope[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
}

function announce({ server }: McpServer, event: ServerEvent): Promise<void> {
  switch (event.kind) {
    case 'tools_list_changed':
      return server.sendToolListChanged();
    case 'prompts_list_changed':
      return server.sendPromptListChanged();
    case 'resources_list_changed':
      return server.sendResourceListChanged();
    case 'resource_updated':
      return server.sendResourceUpdated({ uri: event.uri });
  }
}
