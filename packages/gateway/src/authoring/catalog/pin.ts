import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import type { JsonObject } from '@cmcp/evidence';
import { loadCatalog } from '../../catalog/load.ts';
import type { CatalogServer, ServerTransport } from '../../catalog/types.ts';
import { spawnRecord } from '../../catalog/write.ts';
import type { Config } from '../../config/types.ts';
import { GatewayError } from '../../errors.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import { commandPath } from '../../setup/command-path.ts';
import { measureServer } from '../../upstream/measure-server.ts';
import { shebangOf } from '../../upstream/shebang.ts';
import { treeDigest } from '../../upstream/tree-digest.ts';
import { attempt, measureFile, openTrusted } from '../../upstream/trusted-file.ts';
import { packageOf } from './package-folder.ts';

type Spawn = Extract<ServerTransport, { kind: 'stdio' }>;

/** They fetch what they run, or look for it: their own digest says nothing of the server. */
const FETCHERS = /^(?:npx|npm|pnpm|pnpx|yarn|bunx|uvx|uv|pipx|docker|podman)(?:-cli)?(?:\.[cm]?js)?$/;
/** The file that they run is their first argument that is none of their options. */
const INTERPRETERS = /^(?:node(?:js)?|bun|deno|python[\d.]*|ruby[\d.]*|perl[\d.]*|php[\d.]*|bash|dash|sh)$/;

export interface PinTerms {
  server: string;
  /** The folder that the server loads code from; null: found from where its file is. */
  packageFolder: string | null;
  /** For a first line that leaves the choice to PATH: the choice is made now, and written down. */
  searchPath: string;
}

/**
 * The `spawn` of a stdio server as it is installed now, with everything pinned and every link resolved; exactly that is what the
 * gateway would start.
 * @throws GatewayError CATALOG_INVALID, or UPSTREAM_UNAVAILABLE for what the gateway would refuse to start
 */
export async function pinnedSpawn(
  config: Config,
  { server: id, packageFolder, searchPath }: PinTerms,
): Promise<JsonObject> {
  const catalog = await loadCatalog(config.catalog.path, sensitivityRanks(config.vocabulary));
  const server = catalog.servers.find((each) => each.id === id);
  if (server === undefined) {
    const known = catalog.servers.map((each) => each.id).join(', ');
    throw refuse(config, `there is no server "${id}"; the servers are ${known}`);
  }
  const { entrypoint, ...spawn } = await resolved(config, spawnOf(config, server), searchPath);
  const { digest } = await measureFile(entrypoint);
  const pins: Spawn = { ...spawn, binaryDigest: digest };
  if (spawn.measureTarget !== null) {
    pins.interpreter = { path: spawn.command, digest: (await measureFile(spawn.command)).digest };
    const found = await packageOf(entrypoint, packageFolder);
    if (found !== null) pins.package = { ...found, treeDigest: await treeDigest(found.path) };
  }
  await (await measureServer(pins, {})).close();
  return spawnRecord(pins);
}

function spawnOf(config: Config, { id, transport }: CatalogServer): Spawn {
  if (transport.kind === 'stdio') return transport;
  throw refuse(config, `"${id}" is not started by the gateway; pin its key with "spki_pins" (docs/catalog.md)`);
}

/** Interpreter and file told apart, by their own names. */
async function resolved(
  config: Config,
  { args, ...spawn }: Spawn,
  searchPath: string,
): Promise<Omit<Spawn, 'package' | 'interpreter'> & { entrypoint: string }> {
  const command = await attempt(spawn.command, () => realpath(spawn.command));
  if (FETCHERS.test(basename(spawn.command)) || FETCHERS.test(basename(command))) {
    throw refuse(config, `${spawn.command} fetches what it runs; install the server, and name its own file`);
  }
  const bare = { kind: 'stdio', binaryDigest: null } as const;
  const shebang = await firstLine(command);
  if (shebang !== null) {
    const path = shebang.path ?? (await commandPath(shebang.name, searchPath, '/'));
    if (path === null) throw refuse(config, `the interpreter of ${command} is not in PATH`);
    const all = [...shebang.args, command, ...args];
    return {
      ...bare,
      command: await attempt(path, () => realpath(path)),
      args: all,
      measureTarget: command,
      entrypoint: command,
    };
  }
  const at = INTERPRETERS.test(basename(spawn.command)) ? args.findIndex((argument) => argument.startsWith('/')) : -1;
  const file = args[at];
  if (file === undefined) return { ...bare, command, args, measureTarget: null, entrypoint: command };
  const entrypoint = await attempt(file, () => realpath(file));
  return { ...bare, command, args: args.with(at, entrypoint), measureTarget: entrypoint, entrypoint };
}

async function firstLine(command: string): Promise<Awaited<ReturnType<typeof shebangOf>>> {
  const file = await openTrusted(command);
  try {
    return await shebangOf(file);
  } finally {
    await file.close();
  }
}

function refuse({ catalog }: Config, problem: string): GatewayError {
  return new GatewayError('CATALOG_INVALID', `${catalog.path}: ${problem}`);
}
