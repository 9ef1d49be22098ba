import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { isObject, JsonError, type JsonObject, member, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';

/** A package as it lies on this disk. */
export interface InstalledPackage {
  name: string;
  version: string;
  /** Absolute, without symbolic links. */
  folder: string;
  /** By name, the version that each of its dependencies resolves to from here. */
  dependencies: Record<string, string>;
  /** `source`: it does not lie in a `node_modules` folder, so nobody packed and installed it. */
  tree: 'installed' | 'source';
}

/**
 * The packages in `folders` and everything that they depend on, wherever the package manager put it: each is what Node.js finds for
 * its name (Node.js, "Loading from node_modules folders"). What lies in a package's own `node_modules` belongs to it, declared or not.
 * @throws GatewayError PROCESS_UNSAFE when something is missing
 */
export function installedPackages(folders: readonly string[]): InstalledPackage[] {
  const found = new Map<string, InstalledPackage>();
  const waiting = folders.map((folder) => realpathSync(folder));
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (found.has(folder)) continue;
    const manifest = readManifest(folder);
    const dependencies = dependenciesOf(folder, manifest);
    const tree = folder.split(sep).includes('node_modules') ? 'installed' : 'source';
    const versions = dependencies.map(({ name, version }): [string, string] => [name, version]);
    found.set(folder, { ...identity(folder, manifest), folder, tree, dependencies: Object.fromEntries(versions) });
    waiting.push(...dependencies.map((each) => each.folder));
    if (tree === 'installed') waiting.push(...nestedPackages(folder));
  }
  return [...found.values()];
}

/** The folder of the package that `name` stands for in code that lies in `folder`; null when there is none. */
export function resolvePackage(name: string, folder: string): string | null {
  for (let place = folder; ; place = dirname(place)) {
    const candidate = join(place, 'node_modules', name);
    if (basename(place) !== 'node_modules' && manifestText(candidate) !== null) return realpathSync(candidate);
    if (dirname(place) === place) return null;
  }
}

/** Reads `package.json`. @throws GatewayError PROCESS_UNSAFE */
export function readManifest(folder: string): JsonObject {
  const refuse = (why: string): GatewayError =>
    new GatewayError('PROCESS_UNSAFE', `${join(folder, 'package.json')} ${why}, so the package cannot be measured`);
  const text = manifestText(folder);
  if (text === null) throw refuse('does not exist');
  try {
    const value = parseJson(text);
    if (!isObject(value)) throw refuse('is no JSON object');
    return value;
  } catch (error) {
    if (error instanceof JsonError) throw refuse(`is not acceptable JSON (${error.message})`);
    throw error;
  }
}

function manifestText(folder: string): string | null {
  try {
    return readFileSync(join(folder, 'package.json'), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
    throw error;
  }
}

function identity(folder: string, manifest: JsonObject): { name: string; version: string } {
  const [name, version] = [member(manifest, 'name'), member(manifest, 'version')];
  if (typeof name === 'string' && typeof version === 'string') return { name, version };
  throw new GatewayError('PROCESS_UNSAFE', `${join(folder, 'package.json')} names no package and version`);
}

interface Dependency {
  name: string;
  version: string;
  folder: string;
}

function dependenciesOf(folder: string, manifest: JsonObject): Dependency[] {
  const optional = new Set([...names(manifest, 'optionalDependencies'), ...names(manifest, 'peerDependencies')]);
  const found: Dependency[] = [];
  for (const name of new Set([...names(manifest, 'dependencies'), ...optional])) {
    const place = resolvePackage(name, folder);
    if (place !== null) found.push({ name, version: identity(place, readManifest(place)).version, folder: place });
    else if (!optional.has(name)) {
      throw new GatewayError('PROCESS_UNSAFE', `${name}, which ${folder} needs, is not installed; install it again`);
    }
  }
  return found;
}

function names(manifest: JsonObject, section: string): string[] {
  const given = member(manifest, section);
  return given !== undefined && isObject(given) ? Object.keys(given) : [];
}

function nestedPackages(folder: string): string[] {
  const found: string[] = [];
  for (const name of foldersIn(join(folder, 'node_modules'))) {
    const place = join(folder, 'node_modules', name);
    const inScope = name.startsWith('@') ? foldersIn(place).map((each) => join(place, each)) : [place];
    found.push(...inScope.map((each) => realpathSync(each)));
  }
  return found;
}

/** What a folder holds besides hidden entries such as npm's `.bin`; nothing when it does not exist. */
function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
