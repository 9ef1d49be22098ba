import { createHash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { IdentityRefused } from './identity-refused.ts';

/** Mode bits of others' right to write, and of folders in which only owners may replace things. */
const WRITABLE = 0o022n;
const STICKY = 0o1000n;

/** One file as it was when it was hashed. */
export interface MeasuredFile {
  path: string;
  digest: string;
  /** Which file it was, and in which state: a file that was exchanged and put back has another one. */
  state: string;
}

/**
 * Opens a regular file that only root and the gateway's own user can change or replace: no symbolic link leads to it, and neither it
 * nor a folder above it may be written by anybody else (ATK-23).
 * @throws IdentityRefused
 */
export async function openTrusted(path: string): Promise<FileHandle> {
  await requirePlainPath(path);
  const handle = await attempt(path, () =>
    // O_NONBLOCK: opening a pipe must not wait for a writer.
    open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
  );
  try {
    const found = await handle.stat({ bigint: true });
    if (!found.isFile()) throw new IdentityRefused(`${path} is not a regular file`);
    requireOwn(path, found);
    await requireOwnFolders(path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Hashes what is open, whatever has its name by now. @throws IdentityRefused when it changes meanwhile */
export async function measureOpen(path: string, handle: FileHandle): Promise<MeasuredFile> {
  const state = stateOf(await handle.stat({ bigint: true }));
  const hash = createHash('sha256');
  await pipeline(handle.createReadStream({ start: 0, autoClose: false }), hash);
  if (stateOf(await handle.stat({ bigint: true })) !== state) {
    throw new IdentityRefused(`${path} changed while it was hashed`);
  }
  return { path, digest: `sha256:${hash.digest('hex')}`, state };
}

export async function measureFile(path: string): Promise<MeasuredFile> {
  const handle = await openTrusted(path);
  try {
    return await measureOpen(path, handle);
  } finally {
    await handle.close();
  }
}

/** A folder that a pinned tree may begin at. @throws IdentityRefused */
export async function requireTrustedFolder(path: string): Promise<void> {
  await requirePlainPath(path);
  const found = await attempt(path, () => stat(path, { bigint: true }));
  if (!found.isDirectory()) throw new IdentityRefused(`${path} is not a folder`);
  requireOwn(path, found);
  await requireOwnFolders(path);
}

/** Only root and the gateway's own user may write it. @throws IdentityRefused */
export function requireOwn(path: string, { uid, mode }: BigIntStats): void {
  if (uid !== 0n && uid !== BigInt(process.geteuid?.() ?? 0)) {
    throw new IdentityRefused(`${path} belongs to user ${uid}, who can change it; let root own it (chown root)`);
  }
  if ((mode & WRITABLE) !== 0n) {
    throw new IdentityRefused(`${path} can be written by other users; take that away (chmod go-w)`);
  }
}

async function requireOwnFolders(path: string): Promise<void> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const found = await attempt(folder, () => stat(folder, { bigint: true }));
    // In such a folder, /tmp for one, only the owner of a file can replace it.
    if ((found.mode & STICKY) === 0n || found.uid !== 0n) requireOwn(folder, found);
    if (folder === dirname(folder)) return;
  }
}

async function requirePlainPath(path: string): Promise<void> {
  const real = await attempt(path, () => realpath(path));
  if (real === path) return;
  throw new IdentityRefused(`${path} leads through a symbolic link, which can be pointed elsewhere; write ${real}`);
}

function stateOf({ dev, ino, size, mode, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mode, mtimeNs, ctimeNs].join(' ');
}

/** @throws IdentityRefused for what the file system says no to */
export async function attempt<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new IdentityRefused(`${path} cannot be read (${String(error.code)})`, error);
  }
}
