import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A released package: what `measurements.json` says of it. */
export interface ReleasedPackage {
  name: string;
  version: string;
  file: string;
  sha256: string;
  integrity: string;
}

interface LockEntry {
  version?: string;
  integrity?: string;
  resolved?: string;
  link?: boolean;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  bin?: Record<string, string>;
  engines?: Record<string, string>;
  license?: string;
}

/** What the packages that make up an installation depend on, name by name. */
export interface Installation {
  /** `package.json` and `package-lock.json`, with which `npm ci` makes the same installation everywhere. */
  manifest: object;
  lockfile: object;
  dependencies: { name: string; version: string; integrity: string }[];
}

const PROGRAM = '@cmcp/cli';

/** Name, version and digests of a tarball that npm packed. */
export async function describe(root: string, folder: string, tarballs: string[]): Promise<ReleasedPackage[]> {
  const lock = await readLock(root);
  const own = Object.entries(lock).filter(([key]) => /^packages\/[^/]+$/.test(key));
  return Promise.all(
    own.map(async ([key, { version = '' }]) => {
      const { name } = JSON.parse(await readFile(join(root, key, 'package.json'), 'utf8')) as { name: string };
      const file = `${name.replace('@', '').replace('/', '-')}-${version}.tgz`;
      if (!tarballs.includes(file)) throw new Error(`${file} was not packed; package-lock.json may be out of date`);
      const bytes = await readFile(join(folder, file));
      const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
      return { name, version, file, sha256: createHash('sha256').update(bytes).digest('hex'), integrity };
    }),
  );
}

/**
 * An installation of the program: our tarballs, and of everything that they depend on the version that the lockfile of this
 * repository has, at the place where it has it.
 */
export async function installation(root: string, packages: readonly ReleasedPackage[]): Promise<Installation> {
  const lock = placedAsInstalled(await readLock(root), packages);
  const wanted = closure(lock, `node_modules/${PROGRAM}`);
  const own = packages.filter(({ name }) => wanted.has(`node_modules/${name}`));
  const version = packages.find(({ name }) => name === PROGRAM)?.version ?? '';
  const manifest = {
    name: 'cmcp-installation',
    version,
    private: true,
    dependencies: Object.fromEntries(own.map(({ name, file }) => [name, `file:${file}`])),
  };
  const entries = [...wanted].sort().map((key): [string, LockEntry] => [key, lock.get(key) ?? {}]);
  const lockfile = {
    name: manifest.name,
    version,
    lockfileVersion: 3,
    requires: true,
    packages: { '': manifest, ...Object.fromEntries(entries) },
  };
  const others = entries.filter(([key]) => !own.some(({ name }) => key === `node_modules/${name}`));
  return { manifest, lockfile, dependencies: others.map(([key, entry]) => dependency(key, entry)) };
}

async function readLock(root: string): Promise<Record<string, LockEntry>> {
  const text = await readFile(join(root, 'package-lock.json'), 'utf8');
  return (JSON.parse(text) as { packages: Record<string, LockEntry> }).packages;
}

/** The lockfile as if our packages were installed like any other, from their tarballs. */
function placedAsInstalled(
  lock: Record<string, LockEntry>,
  packages: readonly ReleasedPackage[],
): Map<string, LockEntry> {
  const placed = new Map<string, LockEntry>();
  for (const [key, entry] of Object.entries(lock)) {
    if (entry.link !== true && key.startsWith('node_modules/')) placed.set(key, entry);
  }
  for (const { name, version, file, integrity } of packages) {
    const { dependencies, bin, engines, license } = lock[lock[`node_modules/${name}`]?.resolved ?? ''] ?? {};
    const known = Object.entries({ dependencies, bin, engines, license }).filter(([, value]) => value !== undefined);
    placed.set(`node_modules/${name}`, { version, resolved: `file:${file}`, integrity, ...Object.fromEntries(known) });
  }
  return placed;
}

function closure(lock: ReadonlyMap<string, LockEntry>, start: string): Set<string> {
  const found = new Set<string>();
  const waiting = [start];
  for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) {
    if (found.has(key)) continue;
    found.add(key);
    const { dependencies = {}, optionalDependencies = {} } = lock.get(key) ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const place = resolve(lock, key, name);
      if (place !== null) waiting.push(place);
      else if (!Object.hasOwn(optionalDependencies, name)) throw new Error(`${name} is not in package-lock.json`);
    }
  }
  return found;
}

/** Where Node.js would find `name` from the package at `key`. */
function resolve(lock: ReadonlyMap<string, LockEntry>, key: string, name: string): string | null {
  for (let place = key; ; place = place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/')))) {
    const candidate = `${place === '' ? '' : `${place}/`}node_modules/${name}`;
    if (lock.has(candidate)) return candidate;
    if (place === '') return null;
  }
}

function dependency(key: string, { version, integrity }: LockEntry): Installation['dependencies'][number] {
  if (version === undefined || integrity === undefined) throw new Error(`${key} has no integrity in package-lock.json`);
  return { name: key.slice(key.lastIndexOf('node_modules/') + 'node_modules/'.length), version, integrity };
}
