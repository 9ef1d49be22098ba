import { readFileSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { isObject, JsonError, type JsonObject, member, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';

/** What npm writes into every `node_modules` that it fills: where each package came from, and the integrity that it checked. */
const LOCKFILE = '.package-lock.json';
const MAX_DEPTH = 32;

/** The integrity (`sha512-…`) that npm checked of each package before it unpacked it; null where no lockfile names one. */
export function integrities(folders: readonly string[]): (string | null)[] {
  const read = new Map<string, JsonObject | null>();
  return folders.map((folder) => integrityOf(folder, read));
}

function integrityOf(folder: string, read: Map<string, JsonObject | null>): string | null {
  for (let place = dirname(folder); dirname(place) !== place; place = dirname(place)) {
    if (basename(place) !== 'node_modules') continue;
    const packages = read.get(place) ?? lockedPackages(place);
    read.set(place, packages);
    if (packages === null) continue;
    // Keys are paths from the folder that holds this `node_modules`.
    const entry = member(packages, relative(dirname(place), folder).split(sep).join('/'));
    const integrity = entry !== undefined && isObject(entry) ? member(entry, 'integrity') : undefined;
    return typeof integrity === 'string' ? integrity : null;
  }
  return null;
}

function lockedPackages(modules: string): JsonObject | null {
  const file = join(modules, LOCKFILE);
  try {
    const lock = parseJson(readFileSync(file), { depth: MAX_DEPTH });
    const packages = isObject(lock) ? member(lock, 'packages') : undefined;
    if (packages !== undefined && isObject(packages)) return packages;
    throw new GatewayError('PROCESS_UNSAFE', `${file} lists no packages; install again with npm ci`);
  } catch (error) {
    if (error instanceof JsonError) {
      throw new GatewayError('PROCESS_UNSAFE', `${file} is damaged (${error.message}); install again with npm ci`);
    }
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
