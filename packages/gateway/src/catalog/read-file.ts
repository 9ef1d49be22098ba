import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { GatewayError } from '../errors.ts';

/** Makes the error of the caller's room out of what is wrong with the file. */
type RefuseFile = (problem: string) => GatewayError;

/**
 * All bytes of a regular file, read once through one handle: what is hashed is what is used (ATK-23). A symbolic link, a
 * device or a pipe in its place is refused, and so is a file that is larger than `maxBytes` or grows while it is read.
 */
export async function readRegularFile(path: string, maxBytes: number, refuse: RefuseFile): Promise<Uint8Array> {
  const handle = await openNoFollow(path, refuse);
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw refuse('this is not a regular file');
    if (stat.size > maxBytes) throw refuse(`the file is larger than ${maxBytes} bytes`);
    return await readExactly(handle, stat.size, refuse);
  } finally {
    await handle.close();
  }
}

async function readExactly(handle: FileHandle, size: number, refuse: RefuseFile): Promise<Uint8Array> {
  // One byte more than expected, so that growth shows.
  const buffer = new Uint8Array(size + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  if (length !== size) throw refuse('the file changed while it was read; try again');
  return buffer.subarray(0, size);
}

async function openNoFollow(path: string, refuse: RefuseFile): Promise<FileHandle> {
  try {
    // O_NONBLOCK: opening a pipe must not wait for a writer.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') throw refuse('the file does not exist');
    if (code === 'ELOOP') throw refuse('this is a symbolic link, which is not followed; name the file itself');
    if (code === 'EACCES' || code === 'EPERM') throw refuse('the file may not be read by this user');
    if (code === '') throw error;
    throw refuse(`the file cannot be opened (${code})`);
  }
}
