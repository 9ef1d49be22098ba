import { access, realpath } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { isObject, JsonError, member, parseJson } from '@cmcp/evidence';
import { readRegularFile } from '../../catalog/read-file.ts';
import { GatewayError } from '../../errors.ts';
import { attempt } from '../../upstream/trusted-file.ts';

const MAX_LOCKFILE = 64 * 1024 * 1024;
const MODULES = `${sep}node_modules${sep}`;

/** The folder to pin, and what the lockfile of npm says was installed there. */
export interface PackageFolder {
  path: string;
  integrity: string | null;
}

/**
 * The folder that a server's file loads code from. A package among others in a project loads them too, so that the node_modules of
 * the project is meant; one that was installed by itself, or is the project, brings its own. Null: there is no package.
 */
export async function packageOf(file: string, given: string | null): Promise<PackageFolder | null> {
  const at = file.indexOf(MODULES);
  const modules = at === -1 ? null : file.slice(0, at + MODULES.length - 1);
  const integrity = modules === null ? null : await integrityOf(modules, file);
  if (given !== null) return { path: await attempt(given, () => realpath(given)), integrity };
  if (modules !== null && (await exists(join(modules, '.package-lock.json')))) return { path: modules, integrity };
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (await exists(join(folder, 'package.json'))) return { path: folder, integrity };
  }
  return null;
}

/** As npm recorded it for the package that the file belongs to. */
async function integrityOf(modules: string, file: string): Promise<string | null> {
  const lock = await readLock(join(modules, '.package-lock.json'));
  const packages = isObject(lock) ? member(lock, 'packages') : undefined;
  if (!isObject(packages)) return null;
  const inside = join('node_modules', relative(modules, file));
  const owner = Object.keys(packages)
    .filter((name) => inside.startsWith(`${name}/`))
    .sort((a, b) => b.length - a.length)[0];
  const record = owner === undefined ? undefined : member(packages, owner);
  const integrity = isObject(record) ? member(record, 'integrity') : undefined;
  return typeof integrity === 'string' && integrity.startsWith('sha512-') ? integrity : null;
}

async function readLock(path: string): Promise<ReturnType<typeof parseJson>> {
  try {
    const bytes = await readRegularFile(path, MAX_LOCKFILE, (problem) => new GatewayError('CATALOG_INVALID', problem));
    return parseJson(bytes, { bytes: MAX_LOCKFILE, depth: 32 });
  } catch (error) {
    // Without a lockfile that can be read there is no fact to record.
    if (error instanceof GatewayError || error instanceof JsonError) return null;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
