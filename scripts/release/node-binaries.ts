import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from './run.ts';

/** A Node.js binary that this repository pins, as the package `node-<platform>`. */
export interface NodeBinary {
  /** Such as `linux-x64`. */
  platform: string;
  version: string;
  /** The binary. */
  path: string;
}

/**
 * The pinned Node.js binaries: those that are installed, and the others from the registry, held against the integrity in the lockfile.
 *
 * @param only platforms to take; all when empty
 */
export async function nodeBinaries(root: string, work: string, only: readonly string[]): Promise<NodeBinary[]> {
  const { optionalDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    optionalDependencies: Record<string, string>;
  };
  const pinned = Object.entries(optionalDependencies)
    .map(([name, version]) => ({ name, version, platform: name.replace(/^node-/, '') }))
    .filter(({ name, platform }) => name.startsWith('node-') && (only.length === 0 || only.includes(platform)));
  const missing = only.find((wanted) => !pinned.some(({ platform }) => platform === wanted));
  if (missing !== undefined) throw new Error(`no Node.js is pinned for ${missing}`);
  const binaries: NodeBinary[] = [];
  for (const { name, version, platform } of pinned) {
    const installed = join(root, 'node_modules', name, 'bin', 'node');
    const path = existsSync(installed) ? installed : await fetched(root, work, name, version);
    binaries.push({ platform, version, path });
  }
  return binaries;
}

async function fetched(root: string, work: string, name: string, version: string): Promise<string> {
  const folder = join(work, name);
  await mkdir(folder, { recursive: true });
  const said = await output('npm', ['pack', '--json', `${name}@${version}`], folder);
  const [packed] = JSON.parse(said) as { filename: string }[];
  if (packed === undefined) throw new Error(`npm fetched nothing for ${name}@${version}`);
  const integrity = `sha512-${createHash('sha512')
    .update(await readFile(join(folder, packed.filename)))
    .digest('base64')}`;
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { integrity?: string }>;
  };
  if (packages[`node_modules/${name}`]?.integrity !== integrity) {
    throw new Error(`${name}@${version} from the registry is not what package-lock.json names`);
  }
  await output('tar', ['-xzf', packed.filename, 'package/bin/node'], folder);
  return join(folder, 'package', 'bin', 'node');
}
