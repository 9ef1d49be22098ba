import { lstat, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GatewayError } from '../errors.ts';

/** What init owns in its folder. The configuration goes first, so that half a set is never one that starts. */
const WRITTEN = ['cmcp.yaml', 'catalog.json', 'policy', 'secrets'];

/** @throws GatewayError OUTPUT_EXISTS when init would have to replace something */
export async function refuseOverwriting(out: string): Promise<void> {
  const there = await existing(out);
  if (there.length === 0) return;
  throw new GatewayError(
    'OUTPUT_EXISTS',
    `${out} already holds ${there.join(', ')}. Choose another folder with --out, or give --force to put them aside.`,
  );
}

/** Renames what is in the way to `<name>.previous`, or the next free `<name>.previous-<n>`. Returns the new names. */
export async function putFilesAside(out: string): Promise<string[]> {
  const moved: string[] = [];
  for (const name of await existing(out)) {
    let to = `${name}.previous`;
    for (let number = 2; await exists(join(out, to)); number += 1) to = `${name}.previous-${number}`;
    await rename(join(out, name), join(out, to));
    moved.push(to);
  }
  return moved;
}

/** Writes files that must not exist yet, and the folders above them; `mode` also decides who may look into the folder. */
export async function writeNew(
  folder: string,
  files: Readonly<Record<string, string>>,
  mode: 0o600 | 0o644,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: mode === 0o600 ? 0o700 : 0o755 });
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { mode, flag: 'wx' });
  }
}

async function existing(out: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of WRITTEN) if (await exists(join(out, name))) found.push(name);
  return found;
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
