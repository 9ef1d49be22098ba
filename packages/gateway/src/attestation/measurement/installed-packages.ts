import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { isObject, JsonError, type JsonObject, member, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { type FoundPackage, moduleFolders, packagesIn, refuseUnmeasured, resolvePackage } from './module-folders.ts';

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
 * @throws GatewayError PROCESS_UNSAFE when something is missing, or Node.js would find something that is not measured
 */
export function installedPackages(folders: readonly string[]): InstalledPackage[] {
  const found = new Map<string, InstalledPackage>();
  const nearer = new Set<string>();
  const waiting = folders.map((folder) => realpathSync(folder));
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (found.has(folder)) continue;
    const manifest = readManifest(folder);
    const dependencies = dependenciesOf(folder, manifest);
    const tree = folder.split(sep).includes('node_modules') ? 'installed' : 'source';
    const versions = dependencies.map(({ name, version }): [string, string] => [name, version]);
    found.set(folder, { ...identity(folder, manifest), folder, tree, dependencies: Object.fromEntries(versions) });
    waiting.push(...dependencies.map((each) => each.folder), ...packagesIn(join(folder, 'node_modules')));
    for (const place of passed(folder, dependencies)) nearer.add(place);
  }
  refuseUnmeasured(nearer, found);
  return [...found.values()];
}

/** The `node_modules` folders that Node.js passes from `folder` to the package's own place and to each of its dependencies. */
function passed(folder: string, dependencies: readonly Dependency[]): string[] {
  const places = moduleFolders(folder);
  const own = places.findIndex((place) => place === dirname(folder) || place === dirname(dirname(folder)));
  return places.slice(0, Math.max(own, ...dependencies.map(({ place }) => places.indexOf(place))));
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

interface Dependency extends FoundPackage {
  name: string;
  version: string;
}

function dependenciesOf(folder: string, manifest: JsonObject): Dependency[] {
  const optional = new Set([...names(manifest, 'optionalDependencies'), ...names(manifest, 'peerDependencies')]);
  const found: Dependency[] = [];
  for (const name of new Set([...names(manifest, 'dependencies'), ...optional])) {
    const resolved = resolvePackage(name, folder);
    if (resolved !== null)
      found.push({ name, version: identity(resolved.folder, readManifest(resolved.folder)).version, ...resolved });
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
