import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { encodeBase64Url, sha256Hex } from '@cmcp/evidence';
import { lintCatalog } from '../authoring/catalog/lint/lint.ts';
import type { Finding } from '../authoring/finding.ts';
import { startingTests } from '../authoring/policy/starting-tests.ts';
import { catalogJson, parseCatalog } from '../catalog/load.ts';
import type { LeftOutItem, ListedServer } from '../catalog/offer.ts';
import type { Catalog, CatalogServer, Effects } from '../catalog/types.ts';
import { catalogFromListings } from '../catalog/write.ts';
import type { Environment } from '../config/environment.ts';
import { expandReferences } from '../config/expand.ts';
import { readConfig } from '../config/load.ts';
import { socketProblem } from '../config/paths.ts';
import type { Credential } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import { type Bundle, loadBundle } from '../policy/bundle.ts';
import { createEngine } from '../policy/engine.ts';
import { sensitivityRanks } from '../policy/sensitivity.ts';
import { startingPolicy } from '../policy/starting-policy.ts';
import { type FoundServer, type LeftOut, readClientConfig } from './client-config.ts';
import { configText } from './config-text.ts';
import { putFilesAside, refuseOverwriting, writeNew } from './init-files.ts';
import { offeredBy } from './offered.ts';
import { prettyJson } from './pretty-json.ts';
import { quietUpstream } from './quiet-upstream.ts';

export interface InitOptions {
  /** The client's configuration. */
  from: string;
  /** Folder to write into; made if it does not exist. */
  out: string;
  /** Address for agents, as in `listen`. */
  listen: string;
  /** Put an earlier set of files aside instead of refusing. */
  force: boolean;
}

export interface NewCredential {
  subject: string;
  /** The bearer token, shown once. */
  token: string;
  /** Where it was written, for its owner's eyes. */
  file: string;
}

export interface InitResult {
  /** Absolute path of the configuration; null when no server answered and nothing was written. */
  config: string | null;
  policyHash: string | null;
  catalogHash: string | null;
  agent: NewCredential | null;
  operator: NewCredential | null;
  servers: InitServer[];
  leftOut: LeftOut[];
  /** What the servers that were taken over offer and the catalog does not approve. */
  leftOutItems: LeftOutItem[];
  /** What the linter has to say of what was approved: `cmcp catalog lint` says it again. */
  findings: Finding[];
  /** Earlier files that were put aside. */
  putAside: string[];
}

/** What was approved of a server. None may ask the agent's side anything: that is for a person to allow. */
export interface InitServer {
  id: string;
  name: string;
  transport: 'stdio' | 'http';
  /** As agents see them. */
  tools: { name: string; effects: Effects }[];
  resources: { name: string; uri: string }[];
  templates: { name: string; uriTemplate: string }[];
  prompts: { name: string }[];
  instructions: boolean;
}

/** A server's answer to what it offers. */
type Answer = ListedServer & { untold: LeftOutItem[] };

const LIST_TIMEOUT_MS = 60_000;
const LIST_SETTINGS = {
  timeoutMs: LIST_TIMEOUT_MS,
  maxResponseBytes: 8 * 1024 * 1024,
  concurrency: 4,
  credential: null,
};

/**
 * Turns the configuration of an MCP client into one of a gateway: contacts each server, approves what it offers now, and
 * writes configuration, catalog, starting policy and two credentials. A server that does not answer is left out.
 * @throws GatewayError CONFIG_INVALID when the client's configuration cannot be read, OUTPUT_EXISTS when files are in the way
 */
export async function initialise(options: InitOptions, environment: Environment): Promise<InitResult> {
  const out = resolve(options.out);
  refuseDeepFolder(out);
  if (!options.force) await refuseOverwriting(out);
  const found = await readFound(resolve(options.from), environment);
  const asked = await Promise.all(found.servers.map((server) => ask(server, environment)));
  const listed = asked.filter((answer) => 'offered' in answer);
  const leftOut = [...found.leftOut, ...asked.filter((answer) => 'reason' in answer)];
  if (listed.length === 0) {
    return {
      config: null,
      policyHash: null,
      catalogHash: null,
      agent: null,
      operator: null,
      servers: [],
      leftOut,
      leftOutItems: [],
      findings: [],
      putAside: [],
    };
  }
  const ids = new Set(listed.map(({ id }) => id));
  const servers = found.servers.filter(({ id }) => ids.has(id));
  return { ...(await write(out, options, servers, listed, environment)), leftOut };
}

/** Before anything is asked or written: the operator socket lies below this folder. */
function refuseDeepFolder(out: string): void {
  const problem = socketProblem(join(out, 'data', 'operator.sock'));
  if (problem !== null) throw new GatewayError('CONFIG_INVALID', `${problem} Give --out a folder with a shorter path.`);
}

async function readFound(file: string, environment: Environment): ReturnType<typeof readClientConfig> {
  const text = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new GatewayError('CONFIG_INVALID', `${file}: cannot be read (${error.code})`, { cause: error });
  });
  return readClientConfig(text, file, environment.variables.PATH ?? '', dirname(file));
}

/** Asks a server what it offers. Everything that can go wrong with one server leaves the others alone. */
async function ask(server: FoundServer, environment: Environment): Promise<Answer | LeftOut> {
  const { id, name } = server;
  try {
    const record = { id, displayName: name, transport: transportOf(server) };
    const settings = {
      ...LIST_SETTINGS,
      env: expanded(server.env, environment),
      headers: expanded(server.headers, environment),
    };
    const identity = server.transport.kind === 'http' ? server.transport.url : '';
    const upstream = quietUpstream(environment)({ ...record, identity, instructions: null, asks: [] }, settings);
    try {
      const { offered, instructions, untold } = await offeredBy(upstream, LIST_TIMEOUT_MS);
      const listed = { ...record, offered, instructions };
      // Alone first, so that what one server offers cannot spoil the catalog of the others.
      catalogOf([listed], 'catalog.json');
      return { ...listed, untold: untold.map((item) => ({ server: id, key: null, ...item })) };
    } finally {
      await upstream.close();
    }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { name, reason: `${error.code}: ${error.detail}` };
  }
}

function transportOf({ transport }: FoundServer): CatalogServer['transport'] {
  if (transport.kind === 'http') return { kind: 'http', url: transport.url, tlsFingerprint: null };
  return { ...transport, binaryDigest: null, measureTarget: null };
}

function expanded(values: Record<string, string>, environment: Environment): Record<string, string> {
  const pairs = Object.entries(values).map(([name, text]) => {
    const { value, problems } = expandReferences(text, environment.variables);
    if (problems.length > 0) throw new GatewayError('CONFIG_INVALID', `${name}: ${problems.join('; ')}`);
    return [name, value];
  });
  return Object.fromEntries(pairs);
}

function catalogOf(
  listed: ListedServer[],
  file: string,
): { text: string; catalog: Catalog; leftOutItems: LeftOutItem[] } {
  const { catalog, leftOut } = catalogFromListings(listed);
  // Lexemes of numbers in schemas survive: the catalog is hashed as written.
  const text = `${prettyJson(catalog)}\n`;
  return { text, catalog: parseCatalog(text, file, sensitivityRanks()), leftOutItems: leftOut };
}

/** Writes the files, the configuration last: what is incomplete does not start. */
async function write(
  out: string,
  options: InitOptions,
  servers: FoundServer[],
  listed: Answer[],
  environment: Environment,
): Promise<Omit<InitResult, 'leftOut'>> {
  const putAside = await putFilesAside(out);
  const { text, catalog, leftOutItems } = catalogOf(listed, join(out, 'catalog.json'));
  await writeNew(out, { 'catalog.json': text }, 0o644);
  const bundle = await writeBundle(join(out, 'policy'), catalog);
  const agent = newCredential('agent');
  const operator = newCredential('operator');
  const secrets = join(out, 'secrets');
  await writeNew(secrets, { 'agent.token': `${agent.token}\n`, 'operator.token': `${operator.token}\n` }, 0o600);
  const hashes = { policyHash: bundle.hash, catalogHash: catalog.hash };
  const yaml = configText({ listen: options.listen, agent, operator, upstreams: servers, ...hashes });
  // Environment and headers of servers are often secrets.
  await writeNew(out, { 'cmcp.yaml': yaml }, 0o600);
  const { file } = await readConfig(join(out, 'cmcp.yaml'), environment);
  return {
    config: file,
    ...hashes,
    agent: { subject: agent.subject, token: agent.token, file: join(secrets, 'agent.token') },
    operator: { subject: operator.subject, token: operator.token, file: join(secrets, 'operator.token') },
    servers: listed.map((server) => described(server, catalog)),
    leftOutItems: [...listed.flatMap(({ untold }) => untold), ...leftOutItems],
    findings: lintCatalog(catalogJson(text, file)),
    putAside,
  };
}

/** The tests come last: they are not part of what is hashed, and hold for what is. */
async function writeBundle(folder: string, catalog: Catalog): Promise<Bundle> {
  await writeNew(folder, startingPolicy(catalog), 0o644);
  const bundle = await loadBundle(folder);
  const engine = createEngine(bundle, catalog);
  try {
    await writeNew(folder, startingTests({ catalog, ranks: sensitivityRanks() }, engine), 0o644);
  } finally {
    engine.close();
  }
  return bundle;
}

function newCredential(subject: string): Credential & { token: string } {
  const token = `cmcp_${subject}_${encodeBase64Url(randomBytes(32))}`;
  return { subject, token, tokenSha256: sha256Hex(token) };
}

function described({ id, displayName, transport }: ListedServer, catalog: Catalog): InitServer {
  const own = (item: { server: CatalogServer }): boolean => item.server.id === id;
  const resources = catalog.resources.filter(own);
  return {
    id,
    name: displayName ?? id,
    transport: transport.kind,
    tools: catalog.tools.filter(own).map(({ exposedName, effects }) => ({ name: exposedName, effects })),
    resources: resources.flatMap(({ name, pattern }) => (pattern.kind === 'uri' ? [{ name, uri: pattern.uri }] : [])),
    templates: resources.flatMap(({ name, pattern }) =>
      pattern.kind === 'template' ? [{ name, uriTemplate: pattern.template.text }] : [],
    ),
    prompts: catalog.prompts.filter(own).map(({ exposedName }) => ({ name: exposedName })),
    instructions: catalog.servers.some((server) => server.id === id && server.instructions !== null),
  };
}
