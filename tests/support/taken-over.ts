import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { JsonObject } from '@cmcp/evidence';
import { Gateway, loadConfig, readEnvironment, type StartedGateway } from '@cmcp/gateway';
import { parseCatalog } from '../../packages/gateway/src/catalog/load.ts';
import { startingPolicy } from '../../packages/gateway/src/policy/starting-policy.ts';
import { CLI, cliEnvironment } from './cli.ts';
import { cmcpInProcess } from './cli-in-process.ts';
import { measuredOnce, quietProcess } from './process.ts';

/** A server in the configuration of an MCP client. */
export type ClientEntry = { command: string; args?: string[]; env?: Record<string, string> } | { url: string };

/** A catalog as `cmcp init` writes it. */
export interface WrittenCatalog extends JsonObject {
  servers: JsonObject[];
  tools: JsonObject[];
  resources: JsonObject[];
  prompts: JsonObject[];
}

export interface TakeOver {
  /** What the operator changes in the catalog that `cmcp init` wrote. */
  amend?: (catalog: WrittenCatalog) => void;
  /** Cedar files beside the starting policy. */
  policies?: Record<string, string>;
  /** Lines added to cmcp.yaml. */
  config?: string;
}

/** Whoever is in the catalog may be used for everything, and may ask for everything. */
export const ALLOW_EVERYTHING = { 'allow-everything.cedar': 'permit (principal, action, resource);' };

/** Lets the server ask whatever a server can ask. */
export function mayAsk(catalog: WrittenCatalog, id: string): void {
  const server = catalog.servers.find((each) => each.id === id);
  assert.ok(server, `no server ${id}`);
  server.asks = ['elicit', 'sample', 'list_roots'];
}

/** The configuration of a client that `cmcp init` turned into a gateway, and the gateways that were started on it. */
export class TakenOver {
  readonly folder: string;
  /** What the agent shows. */
  readonly token: string;
  /** As it is served. */
  readonly catalog: WrittenCatalog;
  /** What the gateways told their operator. */
  readonly reports: string[] = [];
  readonly #gateways: Gateway[] = [];

  private constructor(folder: string, token: string, catalog: WrittenCatalog) {
    this.folder = folder;
    this.token = token;
    this.catalog = catalog;
  }

  /** Fails when `cmcp init` left out a server, or anything of one. */
  static async create(mcpServers: Record<string, ClientEntry>, how: TakeOver = {}): Promise<TakenOver> {
    const folder = await mkdtemp(join(tmpdir(), 'cmcp-test-'));
    const from = join(folder, 'mcp.json');
    await writeFile(from, JSON.stringify({ mcpServers }));
    const args = ['init', '--from', from, '--out', folder, '--listen', '127.0.0.1:0', '--json'];
    const { code, stdout, stderr } = await cmcpInProcess(args, folder);
    assert.equal(code, 0, stderr);
    const { agent, leftOut, leftOutItems } = JSON.parse(stdout);
    assert.deepEqual([leftOut, leftOutItems], [[], []]);
    const file = join(folder, 'catalog.json');
    const catalog = JSON.parse(await readFile(file, 'utf8')) as WrittenCatalog;
    how.amend?.(catalog);
    const text = JSON.stringify(catalog);
    await writeFile(file, text);
    const files = { ...startingPolicy(parseCatalog(text, file)), ...how.policies };
    for (const [name, policy] of Object.entries(files)) await writeFile(join(folder, 'policy', name), policy);
    const over = new TakenOver(folder, agent.token, catalog);
    await writeFile(over.configFile, `${await readFile(over.configFile, 'utf8')}\n${how.config ?? ''}\n`);
    return over;
  }

  get configFile(): string {
    return join(this.folder, 'cmcp.yaml');
  }

  get headers(): { authorization: string } {
    return { authorization: `Bearer ${this.token}` };
  }

  /** `cmcp start --stdio`, as a client spawns it. */
  get spawned(): { command: string; args: string[]; env: Record<string, string>; stderr: 'ignore' } {
    return {
      command: process.execPath,
      args: [CLI, 'start', '--stdio', '--config', this.configFile],
      env: cliEnvironment(this.folder),
      stderr: 'ignore',
    };
  }

  /** Starts a gateway in this process and returns where agents connect. */
  async start(): Promise<URL> {
    const { url } = await this.started();
    return new URL(url ?? '');
  }

  /** The same, with all that a gateway tells whoever started it. */
  async started(): Promise<StartedGateway> {
    return await (await this.#gateway()).start();
  }

  /** Serves one agent on two streams with a gateway of its own, until the input ends. */
  async serveStdio(input: Readable, output: Writable): Promise<void> {
    await (await this.#gateway()).serveStdio(input, output, () => undefined);
  }

  async close(): Promise<void> {
    await Promise.all(this.#gateways.map((gateway) => gateway.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }

  async #gateway(): Promise<Gateway> {
    const environment = readEnvironment(cliEnvironment(this.folder));
    const report = (event: string, detail: string): void => void this.reports.push(`${event} ${detail}`);
    const config = await loadConfig(this.configFile, environment);
    const own = { environment, report, process: quietProcess(), measureCode: measuredOnce };
    const gateway = new Gateway(config, own);
    this.#gateways.push(gateway);
    return gateway;
  }
}
