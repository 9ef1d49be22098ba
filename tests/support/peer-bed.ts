import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditEntry, type Report, verify } from '@cmcp/evidence';
import type { Gateway, GatewayDeps, StartedGateway } from '@cmcp/gateway';
import { parseCatalog } from '../../packages/gateway/src/catalog/load.ts';
import { nativeSchema } from '../../packages/gateway/src/policy/schema.ts';
import { sensitivityRanks } from '../../packages/gateway/src/policy/sensitivity.ts';
import { Agent, type Answering } from './agent.ts';
import type { CallMeta } from './calls.ts';
import { AGENT_TOKEN, TestBed } from './gateway.ts';
import { PeerServer } from './peer-server.ts';
import { closedFile, pins, sessionFile, sessionText } from './session-files.ts';
import type { Family, Values } from './wire.ts';

/** What a test says of something in the catalog besides its definition; the rest is made harmless. */
interface Said {
  server?: string;
  sensitivity?: string;
  destination_class?: 'internal' | 'external';
  compliance_domain?: string;
  /** Of pinned content; null: none. */
  digest?: string | null;
  alias?: string;
}

export interface PeerSetup {
  /** The servers by id; one handshake server over HTTP where a test says nothing. */
  servers?: Record<
    string,
    {
      family?: Family;
      transport?: 'http' | 'stdio';
      asks?: string[];
      instructions?: string;
      script?: (peer: PeerServer) => void;
    }
  >;
  /** Tools by name. */
  tools?: Record<string, Said & { effects?: 'read' | 'write'; cost?: number; definition?: Values }>;
  /** Resources by name: each with a URI or a template. */
  resources?: Record<string, Said & { uri?: string; template?: string }>;
  prompts?: Record<string, Said & { definition?: Values }>;
  /** Cedar files; by default everything is permitted. */
  policies?: Record<string, string>;
  /** Lines of cmcp.yaml added to the defaults. */
  config?: string;
  /** The operator's file of inspection; none where a test says nothing. `config` names it where it has settings beside it. */
  inspection?: string;
  /** Of the configuration, where the catalog has labels of its own. */
  vocabulary?: Record<string, number>;
  deps?: Partial<GatewayDeps>;
}

export const ALLOW_EVERYTHING = { 'allow.cedar': 'permit (principal, action, resource);' };

/** Everything is permitted but what this says. */
export const but = (policy: string): Record<string, string> => ({ ...ALLOW_EVERYTHING, 'but.cedar': policy });

/** Digest of pinned content as the catalog writes it. */
export { canonicalDigest } from '../../packages/gateway/src/catalog/digests.ts';

/** A gateway over servers whose behaviour a test writes, for everything that MCP carries. */
export class PeerBed {
  readonly bed: TestBed;
  readonly peers: Record<string, PeerServer>;
  readonly gateway: Gateway;
  readonly started: StartedGateway;
  readonly #agents: Agent[] = [];

  private constructor(
    bed: TestBed,
    peers: Record<string, PeerServer>,
    running: { gateway: Gateway; started: StartedGateway },
  ) {
    this.bed = bed;
    this.peers = peers;
    this.gateway = running.gateway;
    this.started = running.started;
  }

  static async create(setup: PeerSetup): Promise<PeerBed> {
    const peers = await listening(setup);
    const file =
      setup.inspection === undefined || setup.config?.includes('inspection:') ? [] : ['inspection: ./inspection.yaml'];
    const config = [...(setup.config === undefined ? [] : [setup.config]), ...file].join('\n');
    const bed = await TestBed.create({ tools: [], ...(config === '' ? {} : { config }) });
    try {
      await writeApproved(bed.folder, setup, peers);
      return new PeerBed(bed, peers, await bed.start(setup.deps ?? {}));
    } catch (error) {
      await Promise.allSettled([bed.close(), ...Object.values(peers).map((peer) => peer.close())]);
      throw error;
    }
  }

  get url(): URL {
    return new URL(this.started.url ?? '');
  }

  /** The only server, or the one that is called `main`. */
  get peer(): PeerServer {
    const peer = this.peers.main;
    assert.ok(peer);
    return peer;
  }

  /** An agent of a family, hands shaken. */
  async agent(
    family: Family,
    given: { capabilities?: Values; answer?: Answering; token?: string } = {},
  ): Promise<Agent> {
    const agent = new Agent(this.url, family, { token: AGENT_TOKEN, ...given });
    this.#agents.push(agent);
    await agent.open();
    return agent;
  }

  /** Writes another catalog, schema and bundle; the gateway takes them at its next reload. */
  approve(setup: PeerSetup): Promise<void> {
    return writeApproved(this.bed.folder, setup, this.peers);
  }

  /** Ends an agent's session, for stateless agents by an operator. */
  async endSession(agent: Agent, sessionId: string): Promise<void> {
    if (agent.family === 'handshake') await agent.end();
    else await this.closeByOperator(sessionId);
    await closedFile(this.started, sessionId);
  }

  async closeByOperator(sessionId: string): Promise<void> {
    const { status } = await this.bed.operator('POST', `/operator/v1/sessions/${sessionId}/close`);
    assert.equal(status, 200);
  }

  /**
   * The entries of a closed session that account for requests, once the session is known to verify, every one of them to have
   * its digests, and nothing of `secrets` to be anywhere in it or in what operators were told.
   */
  async entries(sessionId: string, ...secrets: string[]): Promise<AuditEntry[]> {
    const report = await this.verified(sessionId);
    assert.equal(
      report.verdict,
      'verified',
      JSON.stringify(report.checks.filter(({ outcome }) => outcome === 'failed')),
    );
    const text = await sessionText(this.started, sessionId);
    const told = this.bed.reports.join('\n');
    for (const secret of secrets) {
      assert.equal(text.includes(secret), false, `${secret} is not in the session file`);
      assert.equal(told.includes(secret), false, `${secret} is not in what operators are told`);
    }
    const { bundle } = await sessionFile(this.started, sessionId);
    const entries = bundle.entries.filter(({ entry_type }) => ACCOUNTED.has(entry_type));
    for (const entry of entries) {
      assert.match(String(entry.request_payload_hash), /^sha256:[0-9a-f]{64}$/);
      assert.notEqual(entry.call_id, null);
    }
    assert.equal(new Set(entries.map(({ call_id }) => call_id)).size, entries.length, 'one entry each');
    return entries;
  }

  /** All entries of a kind that belong to no request. */
  async others(sessionId: string, entryType: string): Promise<AuditEntry[]> {
    const { bundle } = await sessionFile(this.started, sessionId);
    return bundle.entries.filter(({ entry_type }) => entry_type === entryType);
  }

  async verified(sessionId: string): Promise<Report> {
    const { mode } = this.started;
    const modes = mode === 'advisory' || mode === 'silent' ? { allowModes: [mode] as const } : {};
    return verify(await sessionText(this.started, sessionId), { ...pins(this.started), ...modes });
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#agents.map((agent) => agent.end()));
    const ended = await Promise.allSettled([
      this.bed.close(),
      ...Object.values(this.peers).map((peer) => peer.close()),
    ]);
    for (const outcome of ended) if (outcome.status === 'rejected') throw outcome.reason;
  }
}

const ACCOUNTED = new Set(['tool_call', 'egress_denied', 'fault', 'mcp_request']);

/** Runs a test on a bed of its own, which is gone afterwards. */
export async function withPeers(setup: PeerSetup, run: (bed: PeerBed) => Promise<void>): Promise<void> {
  const bed = await PeerBed.create(setup);
  try {
    await run(bed);
  } finally {
    await bed.close();
  }
}

/** The gateway's receipt, in a result or in an error. */
export function receiptOf(reply: { result?: Values; error?: { data?: Values } }): CallMeta {
  const meta = (reply.result?._meta ?? reply.error?.data) as Values | undefined;
  const receipt = meta?.['io.cmcp/call'];
  assert.ok(receipt, `the reply carries a receipt: ${JSON.stringify(reply)}`);
  return receipt as CallMeta;
}

/** The gateway's own code of a refusal. */
export function codeOf(reply: { result?: Values; error?: { data?: Values } }): unknown {
  assert.ok(reply.error, `the request was refused: ${JSON.stringify(reply)}`);
  return reply.error.data?.error_code;
}

async function listening(setup: PeerSetup): Promise<Record<string, PeerServer>> {
  const peers: Record<string, PeerServer> = {};
  for (const [id, { family = 'handshake', transport = 'http', instructions, script }] of serversOf(setup)) {
    const peer = new PeerServer(family, transport);
    peer.instructions = instructions ?? null;
    const own = ([, { server = 'main' }]: [string, Said]): boolean => server === id;
    peer.lists['tools/list'] = Object.entries(setup.tools ?? {})
      .filter(own)
      .map(toolDefinition);
    peer.lists['prompts/list'] = Object.entries(setup.prompts ?? {})
      .filter(own)
      .map(promptDefinition);
    peer.lists['resources/list'] = Object.entries(setup.resources ?? {})
      .filter(own)
      .flatMap(([name, { uri }]) => (uri === undefined ? [] : [{ uri, name }]));
    script?.(peer);
    peers[id] = await peer.listen();
  }
  return peers;
}

const serversOf = (setup: PeerSetup) => Object.entries(setup.servers ?? { main: {} });

const toolDefinition = ([name, { definition }]: [string, { definition?: Values }]): Values => ({
  name,
  inputSchema: { type: 'object' },
  ...definition,
});

const promptDefinition = ([name, { definition }]: [string, { definition?: Values }]): Values => ({
  name,
  arguments: [{ name: 'topic' }],
  ...definition,
});

async function writeApproved(folder: string, setup: PeerSetup, peers: Record<string, PeerServer>): Promise<void> {
  if (setup.inspection !== undefined) await writeFile(join(folder, 'inspection.yaml'), setup.inspection);
  const labels = ({
    server = 'main',
    sensitivity = 'public',
    destination_class = 'internal',
    compliance_domain,
    digest,
    alias,
  }: Said) => ({
    server,
    sensitivity,
    destination_class,
    ...(compliance_domain === undefined ? {} : { compliance_domain }),
    ...(digest === null ? {} : { digest }),
    ...(alias === undefined ? {} : { alias }),
  });
  const catalog = {
    catalog: 1,
    servers: serversOf(setup).map(([id, { asks, instructions }]) => ({
      id,
      ...peers[id]?.catalogTransport,
      ...(asks === undefined ? {} : { asks }),
      ...(instructions === undefined ? {} : { instructions }),
    })),
    tools: Object.entries(setup.tools ?? {}).map((tool) => ({
      name: tool[0],
      definition: toolDefinition(tool),
      effects: tool[1].effects ?? 'write',
      ...(tool[1].cost === undefined ? {} : { cost: tool[1].cost }),
      ...labels(tool[1]),
    })),
    resources: Object.entries(setup.resources ?? {}).map(([name, { uri, template, ...said }]) => ({
      name,
      ...(uri === undefined ? {} : { uri, definition: { uri, name } }),
      ...(template === undefined ? {} : { uri_template: template, definition: { uriTemplate: template, name } }),
      ...labels(said),
    })),
    prompts: Object.entries(setup.prompts ?? {}).map((prompt) => ({
      name: prompt[0],
      definition: promptDefinition(prompt),
      ...labels(prompt[1]),
    })),
  };
  const text = JSON.stringify(catalog);
  await writeFile(join(folder, 'catalog.json'), text);
  const policy = join(folder, 'policy');
  const manifest = await readFile(join(policy, 'manifest.json'), 'utf8');
  await rm(policy, { recursive: true });
  await mkdir(policy);
  const files = { 'manifest.json': manifest, ...(setup.policies ?? ALLOW_EVERYTHING) };
  for (const [name, content] of Object.entries(files)) await writeFile(join(policy, name), content);
  await writeFile(
    join(policy, 'schema.cedarschema'),
    nativeSchema(parseCatalog(text, 'catalog.json', sensitivityRanks(setup.vocabulary))),
  );
}
