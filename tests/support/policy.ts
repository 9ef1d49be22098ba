import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { type JsonObject, type JsonValue, stringifyJson } from '@cmcp/evidence';
import { parseCatalog } from '../../packages/gateway/src/catalog/load.ts';
import type {
  Catalog,
  CatalogPrompt,
  CatalogResource,
  CatalogServer,
  CatalogTool,
} from '../../packages/gateway/src/catalog/types.ts';
import { loadBundle } from '../../packages/gateway/src/policy/bundle.ts';
import { createEngine } from '../../packages/gateway/src/policy/engine.ts';
import type { Asked, DecisionInput, PolicyEngine } from '../../packages/gateway/src/policy/types.ts';
import { NO_FLOW } from '../../packages/gateway/src/session/flow/view.ts';

/** A folder that is gone when the test is. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files by relative path and returns their folder. */
export async function folderOf(t: TestContext, files: Record<string, string | Uint8Array>): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

/** A tool record of our catalog form on server `local`, a read of public data unless said otherwise. */
export function toolRecord(name: string, members: JsonObject = {}, properties: JsonObject = {}): JsonObject {
  const upstreamName = members.upstream_name ?? name;
  return {
    name,
    server: 'local',
    definition: {
      name: upstreamName,
      description: `Does ${name}.`,
      inputSchema: { type: 'object', properties },
    },
    effects: 'read',
    sensitivity: 'public',
    destination_class: 'internal',
    ...members,
  };
}

export function catalogRecord(tools: JsonValue[]): JsonObject {
  return {
    catalog: 1,
    servers: [
      { id: 'local', transport: 'stdio', spawn: { command: '/usr/bin/true', args: [] } },
      { id: 'web', transport: 'streamable-http', url: 'https://tools.example/mcp' },
    ],
    tools,
    resources: [],
    prompts: [],
  };
}

export function catalogOf(...tools: JsonObject[]): Catalog {
  return withOthers(parseCatalog(stringifyJson(catalogRecord(tools)), 'catalog.json'));
}

/** The catalog with these resources and prompts, written by hand. */
export function withOthers(catalog: Catalog, others: Partial<Pick<Catalog, 'resources' | 'prompts'>> = {}): Catalog {
  return { ...catalog, resources: [], prompts: [], ...others };
}

const LABELS = {
  sensitivity: 'public',
  sensitivityRank: 0,
  complianceDomain: 'public',
  destinationClass: 'internal',
  requiresBaa: false,
} as const;

/** A resource of `server` with one URI, public unless said otherwise. */
export function resourceOf(
  server: CatalogServer,
  name: string,
  uri: string,
  members: Partial<CatalogResource> = {},
): CatalogResource {
  const pattern = { kind: 'uri' as const, uri };
  return { ...LABELS, name, server, pattern, definition: { uri, name }, contentDigest: null, ...members };
}

/** A prompt of `server`, public unless said otherwise. */
export function promptOf(server: CatalogServer, name: string, members: Partial<CatalogPrompt> = {}): CatalogPrompt {
  return {
    ...LABELS,
    name,
    server,
    exposedName: name,
    upstreamName: name,
    definition: {},
    pin: { kind: 'whole', digest: `sha256:${'0'.repeat(64)}` },
    contentDigest: null,
    ...members,
  };
}

export function serverOf(catalog: Catalog, id: string): CatalogServer {
  const server = catalog.servers.find((candidate) => candidate.id === id);
  if (server === undefined) throw new Error(`the test's catalog has no server ${id}`);
  return server;
}

export function toolOf(catalog: Catalog, name: string): CatalogTool {
  const tool = catalog.tools.find((candidate) => candidate.name === name);
  if (tool === undefined) throw new Error(`the test's catalog has no tool ${name}`);
  return tool;
}

/** One entry of the reference's form. The definition hash of the fixed definition is fixed too. */
export function referenceEntry(name: string, members: JsonObject = {}): JsonObject {
  return {
    tool_name: name,
    server: {
      display_name: 'Echo server',
      url: 'http://localhost:9001/mcp',
      tls_fingerprint: `SHA256:${'A'.repeat(43)}=`,
      transport: 'http-sse',
    },
    approved_definition: { description: 'Repeats.', input_schema: {} },
    definition_hash: 'sha256:4966ce6efd449176975d725ffb290efef43df84c6b46a20f00d58769955d9704',
    added_at: '2026-06-04T00:00:00Z',
    approved_by: 'tester',
    ...members,
  };
}

export function referenceCatalog(...entries: JsonObject[]): Catalog {
  return withOthers(parseCatalog(stringifyJson(entries), '/etc/cmcp/catalog.json'));
}

export const COMPAT_MANIFEST = {
  version: '1.0.0',
  authored_at: '2026-06-04T00:00:00Z',
  author_identity: 'tester',
  commit_sha: 'abc',
};
export const NATIVE_MANIFEST = { ...COMPAT_MANIFEST, cmcp_request: 1 };

/** The gateway's own schema with agents declared otherwise. */
export function withAgent(schema: string, declaration: string): string {
  const own = /entity Agent in \[Group\] = \{[^}]*\};/;
  if (!own.test(schema)) throw new Error('the schema declares its agents in another form');
  return schema.replace(own, () => declaration);
}

/** An engine for `policies` in one file; compat where no schema is given. Closed when the test ends. */
export async function engineOf(
  t: TestContext,
  catalog: Catalog,
  policies: string,
  schema: string | null = null,
): Promise<PolicyEngine> {
  const folder = await folderOf(t, {
    'manifest.json': JSON.stringify(schema === null ? COMPAT_MANIFEST : NATIVE_MANIFEST),
    'schema.cedarschema': schema ?? '// not parsed',
    'all.cedar': policies,
  });
  const engine = createEngine(await loadBundle(folder), catalog);
  t.after(() => engine.close());
  return engine;
}

type InputChanges = Partial<Omit<DecisionInput, 'asked' | 'session'>> & { session?: Partial<DecisionInput['session']> };

/** What is decided when an unexposed agent, or a server while it serves one, asks for `asked`. */
export function decisionAbout(asked: Asked, changes: InputChanges = {}): DecisionInput {
  const { session, ...rest } = changes;
  return {
    caller: { subject: 'agent-1', source: 'bearer' },
    asked,
    session: {
      class: 'public',
      classRank: 0,
      maxClass: 'public',
      maxClassRank: 0,
      inFlight: 0,
      generation: 0,
      ...session,
    },
    flow: NO_FLOW,
    workflow: null,
    platform: 'software-only',
    trustLevel: 'software',
    ...rest,
  };
}

type CallChanges = InputChanges & { arguments?: JsonObject };

/** What is decided when an unexposed agent calls the catalog's tool `name`. */
export function decisionOn(catalog: Catalog, name: string, changes: CallChanges = {}): DecisionInput {
  const { arguments: given = {}, ...rest } = changes;
  return decisionAbout({ action: 'call_tool', tool: toolOf(catalog, name), arguments: given }, rest);
}
