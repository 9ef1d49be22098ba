import { type BigIntStats, constants } from 'node:fs';
import { lstat, open, readdir, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalSorted, digest, type JsonObject } from '@cmcp/evidence';
import { IdentityRefused } from './identity-refused.ts';
import { attempt, measureOpen, requireOwn, requireTrustedFolder } from './trusted-file.ts';

const MAX_ENTRIES = 200_000;
const EXECUTABLE = 0o100n;

/**
 * `sha256:` over everything in a folder, as docs/catalog.md states it: the canonical JSON of an object that has a member for each
 * file and link. Only executability is taken from the mode, so that two installations of one package agree whatever the umask was.
 * @throws IdentityRefused for what anybody else could change, for links that lead out, and for anything but files, folders and links
 */
export async function treeDigest(root: string): Promise<string> {
  await requireTrustedFolder(root);
  const entries: JsonObject = {};
  const folders = [''];
  let seen = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const inside = folder;
    const names = await attempt(join(root, inside), () => readdir(join(root, inside)));
    seen += names.length;
    if (seen > MAX_ENTRIES) throw new IdentityRefused(`${root} holds more than ${MAX_ENTRIES} files`);
    for (const name of names) {
      const path = inside === '' ? name : `${inside}/${name}`;
      const found = await attempt(join(root, path), () => lstat(join(root, path), { bigint: true }));
      if (found.isSymbolicLink()) entries[path] = ['link', await linkWithin(root, path)];
      else if (found.isDirectory()) folders.push(ownFolder(root, path, found));
      else entries[path] = await fileEntry(join(root, path));
    }
  }
  return digest(canonicalSorted(entries));
}

function ownFolder(root: string, path: string, found: BigIntStats): string {
  requireOwn(join(root, path), found);
  return path;
}

async function fileEntry(path: string): Promise<string[]> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await attempt(path, () => open(path, flags));
  try {
    const found = await handle.stat({ bigint: true });
    if (!found.isFile()) throw new IdentityRefused(`${path} is neither a file, a folder nor a link`);
    requireOwn(path, found);
    const { digest: content } = await measureOpen(path, handle);
    return ['file', (found.mode & EXECUTABLE) === 0n ? '-' : 'x', content];
  } finally {
    await handle.close();
  }
}

/** The target as written. What it leads to is in the tree, so that it is hashed as well. */
async function linkWithin(root: string, path: string): Promise<string> {
  const at = join(root, path);
  const target = await attempt(at, () => readlink(at));
  const real = await attempt(at, () => realpath(at));
  if (real.startsWith(`${root}/`)) return target;
  throw new IdentityRefused(`${at} is a link out of the pinned folder, to ${real}; pin a folder that holds both`);
}
