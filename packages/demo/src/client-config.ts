import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { JsonObject } from '@cmcp/evidence';
import { z } from 'zod';
import type { Workspace } from './workspace.ts';

/** The configuration of a client that has three servers from npm over stdio, and the outbox over Streamable HTTP. */
export function clientConfig(node: string, workspace: Workspace, outboxUrl: string): JsonObject {
  const stdio = (server: string, ...args: string[]) => ({ command: node, args: [executable(server), ...args] });
  return {
    mcpServers: {
      filesystem: stdio('server-filesystem', workspace.files.folder),
      everything: stdio('server-everything', 'stdio'),
      memory: { ...stdio('server-memory'), env: { MEMORY_FILE_PATH: workspace.memory } },
      outbox: { type: 'http', url: outboxUrl },
    },
  };
}

/** The script behind the one `bin` of a server package, as installed with the demo. */
function executable(server: string): string {
  const manifest = createRequire(import.meta.url).resolve(`@modelcontextprotocol/${server}/package.json`);
  const { bin } = z.object({ bin: z.record(z.string(), z.string()) }).parse(JSON.parse(readFileSync(manifest, 'utf8')));
  const script = bin[`mcp-${server}`];
  if (script === undefined) throw new Error(`${manifest} names no program mcp-${server}`);
  return join(dirname(manifest), script);
}
