import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import { parseCatalog } from '../../packages/gateway/src/catalog/load.ts';
import type { CatalogServer } from '../../packages/gateway/src/catalog/types.ts';
import { nativeSchema } from '../../packages/gateway/src/policy/schema.ts';
import { AGENT_TOKEN, OTHER_TOKEN } from './gateway.ts';

/** A server, and what of it is approved. Everything that is approved is also allowed, to everybody. */
export interface OpenServer {
  id: string;
  transport: CatalogServer['transport'];
  /** Names under which tools are approved, and how the server calls them, or its whole definitions. */
  tools?: Readonly<Record<string, string | JsonObject>>;
  /** URIs. */
  resources?: string[];
  asks?: string[];
}

/** A folder with a configuration under which agents may use everything of some servers. */
export interface OpenFolder {
  readonly path: string;
  readonly configFile: string;
  /** Where session files are stored. */
  readonly sessions: string;
  write(servers: OpenServer[], config: string[]): Promise<void>;
  remove(): Promise<void>;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** @param config lines of cmcp.yaml beside the fixed ones */
export async function openFolder(servers: OpenServer[], config: string[] = []): Promise<OpenFolder> {
  const path = await mkdtemp(join(tmpdir(), 'cmcp-open-'));
  const folder: OpenFolder = {
    path,
    configFile: join(path, 'cmcp.yaml'),
    sessions: join(path, 'data', 'sessions'),
    write: (given, lines) => write(path, given, lines),
    remove: () => rm(path, { recursive: true, force: true }),
  };
  await mkdir(join(path, 'policy'));
  await folder.write(servers, config);
  return folder;
}

async function write(path: string, servers: OpenServer[], config: string[]): Promise<void> {
  const catalog = stringifyJson(catalogOf(servers));
  const agents = Object.entries({ agent: AGENT_TOKEN, other: OTHER_TOKEN }).map(
    ([subject, token]) => `{ subject: ${subject}, token_sha256: ${sha256(token)} }`,
  );
  const fixed = ['listen: 127.0.0.1:0', 'data: ./data', `agents: [${agents.join(', ')}]`];
  const files = {
    'cmcp.yaml': `${[...fixed, ...config].join('\n')}\n`,
    'catalog.json': catalog,
    'policy/manifest.json': JSON.stringify(MANIFEST),
    'policy/schema.cedarschema': nativeSchema(parseCatalog(catalog, 'catalog.json')),
    'policy/allow.cedar': 'permit (principal, action, resource);',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
}

const MANIFEST = {
  version: '1.0.0',
  authored_at: '2026-01-01T00:00:00Z',
  author_identity: 'tests',
  commit_sha: 'none',
  cmcp_request: 1,
};

const LABELS = { sensitivity: 'public', destination_class: 'internal' };

function catalogOf(servers: OpenServer[]): JsonObject {
  return {
    catalog: 1,
    servers: servers.map(({ id, transport, asks }) => ({ id, ...said(transport), ...(asks && { asks }) })),
    tools: servers.flatMap(({ id, tools = {} }) =>
      Object.entries(tools).map(([name, tool]) => {
        const definition = typeof tool === 'string' ? { name: tool, inputSchema: { type: 'object' } } : tool;
        const upstreamName = String(definition.name);
        return { name, server: id, upstream_name: upstreamName, definition, effects: 'write', ...LABELS };
      }),
    ),
    resources: servers.flatMap(({ id, resources = [] }) =>
      resources.map((uri, index) => ({
        name: `${id}-${index}`,
        server: id,
        uri,
        definition: { uri, name: `${id}-${index}` },
        ...LABELS,
      })),
    ),
    prompts: [],
  };
}

function said(transport: CatalogServer['transport']): JsonObject {
  if (transport.kind === 'http') return { transport: 'streamable-http', url: transport.url };
  return { transport: 'stdio', spawn: { command: transport.command, args: transport.args } };
}
