import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReleasedCode } from '@cmcp/evidence';
import { installedCode, measureCode, PLAIN_LAUNCH } from '@cmcp/gateway';
import type { Installation, ReleasedPackage } from './installation.ts';
import type { NodeBinary } from './node-binaries.ts';
import { output } from './run.ts';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Writes what `npm ci` needs to `folder`: the tarballs, and the two files that name every version. */
export async function writeInstallation(
  folder: string,
  packed: string,
  packages: readonly ReleasedPackage[],
  { manifest, lockfile }: Installation,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const { file } of packages) await cp(join(packed, file), join(folder, file));
  await writeFile(join(folder, 'package.json'), json(manifest));
  await writeFile(join(folder, 'package-lock.json'), json(lockfile));
}

/** Installs as anyone would, in a copy of `folder`, and measures the code with each Node.js binary. */
export async function measureInstallation(
  folder: string,
  work: string,
  nodes: readonly NodeBinary[],
): Promise<ReleasedCode[]> {
  const place = join(work, 'installed');
  await cp(folder, place, { recursive: true });
  await output('npm', ['ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'], place);
  return nodes.map(({ platform, version, path }) => {
    const { digest, parts } = measureCode(installedCode(place, path, PLAIN_LAUNCH));
    return { platform, node_version: version, ...parts, digest };
  });
}
