import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { Gateway, type GatewayDeps, loadConfig, readEnvironment, type StartedGateway } from '@cmcp/gateway';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { measuredOnce, quietProcess } from './process.ts';
import { ScriptedServer, type ScriptedTool } from './scripted-server.ts';

export const AGENT_TOKEN = 'agent-token-of-the-tests';
export const OTHER_TOKEN = 'other-token-of-the-tests';
export const OPERATOR_TOKEN = 'operator-token-of-the-tests';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What a test says of a tool besides its definition; the rest is made harmless. */
export interface TestTool extends ScriptedTool {
  catalog?: {
    alias?: string;
    sensitivity?: string;
    effects?: 'read' | 'write';
    destination_class?: 'internal' | 'external';
  };
}

export interface TestSetup {
  tools: TestTool[];
  /** Cedar files; by default everything in the catalog is permitted. */
  policies?: Record<string, string>;
  /** Lines of cmcp.yaml added to the defaults. */
  config?: string;
  deps?: Partial<GatewayDeps>;
  /** The server behind it speaks HTTPS. */
  tls?: TlsOptions;
  /** Members of the server's record in the catalog, besides or instead of those of a plain HTTP server. */
  record?: Record<string, unknown>;
}

/** A folder with a config, a bundle and a catalog, one scripted server behind it, and gateways started on it. */
export class TestBed {
  readonly folder: string;
  readonly server: ScriptedServer;
  readonly reports: string[] = [];
  readonly #setup: TestSetup;
  readonly #gateways: Gateway[] = [];
  readonly #awaited: { beginning: string; reported: () => void }[] = [];
  readonly #clients: Client[] = [];

  private constructor(folder: string, server: ScriptedServer, setup: TestSetup) {
    this.folder = folder;
    this.server = server;
    this.#setup = setup;
  }

  static async create(setup: TestSetup): Promise<TestBed> {
    const folder = await mkdtemp(join(tmpdir(), 'cmcp-test-'));
    const server = await new ScriptedServer(
      setup.tools.map(({ catalog: _, ...tool }) => tool),
      setup.tls ?? null,
    ).listen();
    const bed = new TestBed(folder, server, setup);
    await bed.writeConfig();
    await bed.writePolicies(setup.policies ?? ALLOW_ALL);
    await bed.writeCatalog(setup.tools);
    return bed;
  }

  get configFile(): string {
    return join(this.folder, 'cmcp.yaml');
  }

  get dataDir(): string {
    return join(this.folder, 'data');
  }

  /** A key that `extra` has replaces the default of that key. */
  async writeConfig(extra: string = this.#setup.config ?? ''): Promise<void> {
    const defaults: Record<string, string> = {
      listen: '127.0.0.1:0',
      data: './data',
      policy: './policy',
      catalog: './catalog.json',
      agents: `[{ subject: agent, token_sha256: ${sha256(AGENT_TOKEN)} }, { subject: other, token_sha256: ${sha256(OTHER_TOKEN)} }]`,
      stdio: '{ subject: desktop }',
      operator: `{ credentials: [{ subject: op, token_sha256: ${sha256(OPERATOR_TOKEN)} }] }`,
    };
    const given = new Set(extra.split('\n').map((line) => line.split(':')[0]));
    const lines = Object.entries(defaults).flatMap(([key, value]) => (given.has(key) ? [] : [`${key}: ${value}`]));
    await writeFile(this.configFile, `${lines.join('\n')}\n${extra}\n`);
  }

  async writePolicies(files: Record<string, string>): Promise<void> {
    const folder = join(this.folder, 'policy');
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    const manifest = {
      version: '1.0.0',
      authored_at: '2026-01-01T00:00:00Z',
      author_identity: 'tests',
      commit_sha: 'none',
      cmcp_request: 1,
    };
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
    await writeFile(join(folder, 'schema.cedarschema'), schemaFor(this.#setup.tools));
    for (const [name, policy] of Object.entries(files)) await writeFile(join(folder, name), policy);
  }

  async writeCatalog(tools: TestTool[]): Promise<void> {
    const catalog = {
      catalog: 1,
      servers: [{ ...this.#address(), ...this.#setup.record, id: 'scripted' }],
      tools: tools.map(({ catalog: said, ...tool }) => ({
        name: tool.name,
        server: 'scripted',
        definition: { inputSchema: { type: 'object' }, ...tool },
        effects: said?.effects ?? 'write',
        sensitivity: said?.sensitivity ?? 'public',
        destination_class: said?.destination_class ?? 'internal',
        ...(said?.alias === undefined ? {} : { alias: said.alias }),
      })),
      resources: [],
      prompts: [],
    };
    await writeFile(join(this.folder, 'catalog.json'), JSON.stringify(catalog));
  }

  /** Where the server is, unless the test says how it is spawned. */
  #address(): Record<string, unknown> {
    if (this.#setup.record?.transport === 'stdio') return {};
    return { transport: 'streamable-http', url: this.server.url };
  }

  /** Builds a gateway on this folder, in dev mode, without starting it. */
  async gateway(deps: Partial<GatewayDeps> = {}): Promise<Gateway> {
    const environment = readEnvironment({ CMCP_DEV_MODE: '1', PATH: process.env.PATH });
    const config = await loadConfig(this.configFile, environment);
    const report = (event: string, detail: string): void => {
      const line = `${event} ${detail}`;
      this.reports.push(line);
      for (const { beginning, reported } of this.#awaited) if (line.startsWith(beginning)) reported();
    };
    const own = { environment, report, process: quietProcess(), measureCode: measuredOnce };
    const gateway = new Gateway(config, { ...own, ...this.#setup.deps, ...deps });
    this.#gateways.push(gateway);
    return gateway;
  }

  async start(deps: Partial<GatewayDeps> = {}): Promise<{ gateway: Gateway; started: StartedGateway; url: URL }> {
    const gateway = await this.gateway(deps);
    const started = await gateway.start();
    return { gateway, started, url: new URL(started.url ?? '') };
  }

  /** Resolves when a gateway reports something that begins so, or has. */
  async reported(beginning: string): Promise<void> {
    if (this.reports.some((line) => line.startsWith(beginning))) return;
    await new Promise<void>((reported) => this.#awaited.push({ beginning, reported }));
  }

  /** Stops every gateway that was started. */
  async stop(): Promise<void> {
    await Promise.all(this.#gateways.map((gateway) => gateway.stop()));
  }

  /** The official client, connected with an agent's credential. */
  async client(url: URL, token: string = AGENT_TOKEN): Promise<Client> {
    const client = new Client({ name: 'test-agent', version: '1' });
    const headers = { authorization: `Bearer ${token}` };
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
    this.#clients.push(client);
    return client;
  }

  /** A request to the operator interface. */
  operator(
    method: string,
    path: string,
    body?: unknown,
    token: string | null = OPERATOR_TOKEN,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const socketPath = join(this.dataDir, 'operator.sock');
    const headers = token === null ? {} : { authorization: `Bearer ${token}` };
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath, method, path, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> });
        });
      });
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Ends everything, also when some of it fails to end; then fails if something did. */
  async close(): Promise<void> {
    const ended = await Promise.allSettled([...this.#clients, ...this.#gateways.map(stopping), this.server].map(end));
    await rm(this.folder, { recursive: true, force: true });
    for (const outcome of ended) if (outcome.status === 'rejected') throw outcome.reason;
  }
}

/** Runs a test on a bed of its own, which is gone afterwards. */
export async function withBed(setup: TestSetup, run: (bed: TestBed) => Promise<void>): Promise<void> {
  const bed = await TestBed.create(setup);
  try {
    await run(bed);
  } finally {
    await bed.close();
  }
}

const stopping = (gateway: Gateway) => ({ close: () => gateway.stop() });
const end = (part: { close: () => Promise<unknown> }): Promise<unknown> => part.close();

export const ALLOW_ALL = { 'allow.cedar': 'permit (principal, action in Action::"call_tool", resource);' };

/** The Cedar schema of a test's tools, with the request of contracts section 7. */
function schemaFor(tools: TestTool[]): string {
  const session =
    '{ class: String, class_rank: Long, max_class: String, max_class_rank: Long, in_flight: Long, generation: Long }';
  const response = '{ size: Long, findings: Long, class: String, class_rank: Long }';
  const context = (tool: TestTool): string => {
    const properties = Object.keys((tool.inputSchema?.properties as object | undefined) ?? {});
    const args = properties.map((name) => `"${name}"?: String`).join(', ');
    return `{ arguments: { ${args} }, session: ${session}, caller: { subject: String, source: String }, workflow?: { id: String, source: String }, platform: String, trust_level: String, response?: ${response} }`;
  };
  return [
    'entity Agent;',
    'entity Server;',
    'entity Resource in [Server] = { server: String, compliance_domain: String, sensitivity: String, sensitivity_rank: Long, destination_class: String, effects: String, requires_baa: Bool };',
    'action call_tool;',
    ...tools.map(
      (tool) =>
        `action "${tool.name}" in [Action::"call_tool"] appliesTo { principal: [Agent], resource: [Resource], context: ${context(tool)} };`,
    ),
  ].join('\n');
}
