import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readRegularFile } from '../catalog/read-file.ts';
import { type BundleText, readText, refuseBundle } from './text.ts';

const MAX_FILES = 1000;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_TOTAL_BYTES = 8 * 1024 * 1024;
const MAX_DEPTH = 16;

export interface BundleFiles {
  manifest: BundleText;
  schema: BundleText;
  /** In code point order of path; at least one. */
  policies: BundleText[];
}

/**
 * Reads the files of a bundle folder, each once. Links are refused wherever they stand: a bundle is what lies in its folder
 * (ATK-22, ATK-23).
 *
 * @throws GatewayError POLICY_INVALID
 */
export async function readBundleFiles(folder: string): Promise<BundleFiles> {
  await requireFolder(folder);
  const paths = (await cedarFiles(folder, '', 0)).sort(byCodePoint);
  if (paths.length === 0) throw refuseBundle(folder, 'there is no .cedar file; a bundle needs at least one policy');
  if (paths.length > MAX_FILES) throw refuseBundle(folder, `there are more than ${MAX_FILES} policy files`);
  const manifest = await readOne(folder, 'manifest.json');
  const schema = await readOne(folder, 'schema.cedarschema');
  const policies: BundleText[] = [];
  let total = 0;
  for (const path of paths) {
    const file = await readOne(folder, path);
    total += file.text.length;
    if (total > MAX_TOTAL_BYTES)
      throw refuseBundle(folder, `the policy files are larger than ${MAX_TOTAL_BYTES} bytes`);
    policies.push(file);
  }
  return { manifest, schema, policies };
}

async function requireFolder(folder: string): Promise<void> {
  const stat = await lstat(folder).catch((error: NodeJS.ErrnoException) => {
    throw refuseBundle(folder, error.code === 'ENOENT' ? 'there is no such folder' : `cannot be read (${error.code})`);
  });
  if (stat.isSymbolicLink())
    throw refuseBundle(folder, 'this is a symbolic link, which is not followed; name the folder itself');
  if (!stat.isDirectory()) throw refuseBundle(folder, 'this is not a folder; a bundle is one');
}

async function readOne(folder: string, path: string): Promise<BundleText> {
  const bytes = await readRegularFile(join(folder, path), MAX_FILE_BYTES, (problem) => refuseBundle(path, problem));
  return readText(bytes, path);
}

async function cedarFiles(folder: string, inside: string, depth: number): Promise<string[]> {
  if (depth > MAX_DEPTH) throw refuseBundle(inside, `folders nest deeper than ${MAX_DEPTH} levels`);
  const found: string[] = [];
  const entries = await readdir(join(folder, inside), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw refuseBundle(inside === '' ? folder : inside, `the folder cannot be read (${error.code})`);
  });
  for (const entry of entries) {
    const path = inside === '' ? entry.name : `${inside}/${entry.name}`;
    refuseUnusable(entry, path);
    if (entry.isDirectory()) found.push(...(await cedarFiles(folder, path, depth + 1)));
    else if (entry.name.endsWith('.cedar')) found.push(path);
  }
  return found;
}

function refuseUnusable(entry: Dirent, path: string): void {
  if (entry.isSymbolicLink()) {
    throw refuseBundle(path, 'symbolic links are not allowed in a bundle; put the file itself there');
  }
  // U+FFFD stands for bytes that are not UTF-8: such a name could not be hashed as the reference does.
  if (/[\p{Cc}\\\ufffd]/u.test(entry.name)) throw refuseBundle(path, 'the name holds a character that is not allowed');
}

function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
