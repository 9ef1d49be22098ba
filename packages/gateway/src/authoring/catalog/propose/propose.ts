import { basename } from 'node:path';
import { parseCatalog } from '../../../catalog/load.ts';
import type { CatalogServer, ServerTransport } from '../../../catalog/types.ts';
import type { Environment } from '../../../config/environment.ts';
import type { Config } from '../../../config/types.ts';
import { GatewayError } from '../../../errors.ts';
import { sensitivityRanks } from '../../../policy/sensitivity.ts';
import { uniqueId } from '../../../setup/client-config.ts';
import { commandPath } from '../../../setup/command-path.ts';
import { prettyJson } from '../../../setup/pretty-json.ts';
import { baseOfProposal, proposalFile, readCatalogText, recordsOf, writeProposal } from '../catalog-files.ts';
import { type CatalogDiff, diffCatalogs } from '../diff/diff.ts';
import { askServer, type Unanswered } from './ask.ts';
import { type CatalogRecords, refreshed, withServer } from './merge.ts';

/** What a proposal would change in the catalog, and which servers could not be asked. */
export interface Proposal {
  file: string;
  diff: CatalogDiff;
  unanswered: Unanswered[];
}

/** How a server that is to be added is reached. */
export type NewServer = { url: string } | { command: string; args: string[] };

/**
 * Proposes a catalog with one more server: everything that it offers now, for people to review.
 * @throws GatewayError what asking failed with; nothing is written then
 */
export async function proposeServer(
  config: Config,
  environment: Environment,
  given: { server: NewServer; id: string | null; folder: string },
): Promise<Proposal> {
  const base = await baseOfProposal(config.catalog.path);
  const transport = await transportOf(given.server, environment, given.folder);
  const id = given.id ?? freeId(transport, base);
  if (base.servers.some((server) => server.id === id))
    throw invalid(`the catalog has a server ${id}; give this one another --id, or run \`cmcp catalog refresh ${id}\``);
  const asked = await askServer(
    { id, displayName: id, transport, identity: '', instructions: null, asks: [] },
    config,
    environment,
  );
  if ('reason' in asked) throw new GatewayError('UPSTREAM_UNAVAILABLE', `${id}: ${asked.reason}`);
  return proposed(config, withServer(base, asked), []);
}

/** Proposes the catalog as the servers are now. `ids` empty: all of them. Those that do not answer stay as they are. */
export async function proposeRefresh(
  config: Config,
  environment: Environment,
  ids: readonly string[],
  fresh: boolean,
): Promise<Proposal> {
  const base = await baseOfProposal(config.catalog.path);
  const { records, unanswered } = await asOffered(base, config, environment, ids, fresh);
  return proposed(config, records, unanswered);
}

/** What the servers offer now, held to the catalog. Nothing is written. */
export async function diffLive(config: Config, environment: Environment): Promise<Omit<Proposal, 'file'>> {
  const catalog = await readCatalogText(config.catalog.path);
  const { records, unanswered } = await asOffered(recordsOf(catalog), config, environment, [], true);
  return { diff: diffCatalogs(catalog, { file: catalog.file, json: records }, ranksOf(config)), unanswered };
}

async function asOffered(
  base: CatalogRecords,
  config: Config,
  environment: Environment,
  ids: readonly string[],
  fresh: boolean,
): Promise<{ records: CatalogRecords; unanswered: Unanswered[] }> {
  const { servers } = parseCatalog(prettyJson(base), proposalFile(config.catalog.path), ranksOf(config));
  const unknown = ids.find((id) => !servers.some((server) => server.id === id));
  if (unknown !== undefined)
    throw invalid(`the catalog has no server ${unknown}; it has ${servers.map(({ id }) => id).join(', ')}`);
  const wanted = servers.filter(({ id }) => ids.length === 0 || ids.includes(id));
  const answers = await Promise.all(wanted.map((server) => askServer(server, config, environment)));
  const records = answers.reduce(
    (catalog, answer) => ('offered' in answer ? refreshed(catalog, answer, fresh) : catalog),
    base,
  );
  return { records, unanswered: answers.filter((answer) => 'reason' in answer) };
}

async function proposed(config: Config, records: CatalogRecords, unanswered: Unanswered[]): Promise<Proposal> {
  const ranks = ranksOf(config);
  const after = await writeProposal(config.catalog.path, records, ranks);
  const diff = diffCatalogs(await readCatalogText(config.catalog.path), after, ranks);
  return { file: after.file, diff, unanswered };
}

function ranksOf({ vocabulary }: Config) {
  return sensitivityRanks(vocabulary);
}

/** What runs is named by absolute path: a PATH changed later cannot choose another program. */
async function transportOf(server: NewServer, environment: Environment, folder: string): Promise<ServerTransport> {
  if ('url' in server) {
    if (!URL.canParse(server.url) || !/^https?:$/.test(new URL(server.url).protocol))
      throw invalid(`${server.url} is not an http(s) URL`);
    return { kind: 'http', url: server.url, tlsFingerprint: null };
  }
  const command = await commandPath(server.command, environment.variables.PATH ?? '', folder);
  if (command === null) throw invalid(`${server.command} is not found on PATH, or not executable`);
  return { kind: 'stdio', command, args: server.args, binaryDigest: null, measureTarget: null };
}

function freeId(transport: CatalogServer['transport'], { servers }: CatalogRecords): string {
  const source = transport.kind === 'http' ? new URL(transport.url).hostname : basename(transport.command);
  return uniqueId(source, new Set(servers.map(({ id }) => String(id))));
}

function invalid(problem: string): GatewayError {
  return new GatewayError('CATALOG_INVALID', problem);
}
