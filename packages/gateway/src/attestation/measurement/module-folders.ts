import { readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { GatewayError } from '../../errors.ts';

/** What `require` appends to a name before it looks for a folder of that name (Node.js, "Loading from node_modules folders"). */
const FILE_ENDINGS = ['', '.js', '.json', '.node'];

/** A package as Node.js finds it. */
export interface FoundPackage {
  /** The `node_modules` folder that holds it, or the link to it. */
  place: string;
  /** Absolute, without symbolic links. */
  folder: string;
}

/** The `node_modules` folders in which Node.js looks for the packages that code in `folder` names, nearest first, there or not. */
export function moduleFolders(folder: string): string[] {
  const inside = basename(folder) === 'node_modules' ? [] : [join(folder, 'node_modules')];
  return dirname(folder) === folder ? inside : [...inside, ...moduleFolders(dirname(folder))];
}

/**
 * The package that `name` stands for in code that lies in `folder`: the nearest folder of that name, whatever is in it, as Node.js
 * takes it. null when there is none.
 * @throws GatewayError PROCESS_UNSAFE when Node.js would load something there that is no package
 */
export function resolvePackage(name: string, folder: string): FoundPackage | null {
  for (const place of moduleFolders(folder)) {
    const candidate = join(place, name);
    const file = FILE_ENDINGS.map((ending) => `${candidate}${ending}`).find((path) => kindOf(path) === 'other');
    if (file !== undefined) throw unmeasured(file, `is no folder, and can be loaded for ${name}`);
    if (kindOf(candidate) === null) continue;
    if (kindOf(join(candidate, 'package.json')) === null)
      throw unmeasured(candidate, `has no package.json, and Node.js loads it for ${name}`);
    return { place, folder: realpathSync(candidate) };
  }
  return null;
}

/** The places, links followed, of the packages in a `node_modules` folder, besides hidden entries such as npm's `.bin`. */
export function packagesIn(place: string): string[] {
  return visible(place).flatMap((name) => {
    const inside = join(place, name);
    const paths = name.startsWith('@') ? visible(inside).map((each) => join(inside, each)) : [inside];
    return paths.map((path) => orUnmeasured(path, () => realpathSync(path)) ?? path);
  });
}

/**
 * Refuses what lies nearer than what was found, and was not measured: Node.js looks there first.
 *
 * @param places `node_modules` folders that Node.js passes on its way
 * @param measured folders of all packages that are measured
 * @throws GatewayError PROCESS_UNSAFE
 */
export function refuseUnmeasured(places: Iterable<string>, measured: ReadonlyMap<string, unknown>): void {
  for (const place of places) {
    if (kindOf(place) === null) continue;
    if (kindOf(place) === 'other') throw unmeasured(place, 'is no folder');
    const packages = packagesIn(place);
    // An empty one is kept only by a package that was measured with it: npm leaves one behind its `.bin`.
    if (packages.length === 0 && !measured.has(dirname(place))) throw unmeasured(place, 'belongs to no package');
    const stranger = packages.find((folder) => !measured.has(folder));
    if (stranger !== undefined)
      throw unmeasured(stranger, 'is nearer to the code than what it needs, and no part of it');
  }
}

function visible(folder: string): string[] {
  return (orUnmeasured(folder, () => readdirSync(folder)) ?? []).filter((name) => !name.startsWith('.'));
}

function kindOf(path: string): 'folder' | 'other' | null {
  const found = orUnmeasured(path, () => statSync(path));
  if (found === null) return null;
  return found.isDirectory() ? 'folder' : 'other';
}

/** null for what is not there. @throws GatewayError PROCESS_UNSAFE for what cannot be looked at */
function orUnmeasured<T>(path: string, look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw unmeasured(path, `cannot be looked at (${error.code})`);
  }
}

function unmeasured(path: string, why: string): GatewayError {
  return new GatewayError('PROCESS_UNSAFE', `${path} ${why}, so it cannot be measured. Remove it, or install again.`);
}
