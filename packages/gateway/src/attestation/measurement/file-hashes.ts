import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../../errors.ts';

const PIECE_BYTES = 1024 * 1024;

/**
 * SHA-256 of the bytes of each file, lower-case hex, in order. Links are followed: {@link filesBelow} yields none. Synchronous,
 * because thousands of small files are read several times as fast so, and a gateway that measures itself serves nobody yet.
 * @throws GatewayError PROCESS_UNSAFE for a file that cannot be read, and for what is no regular file: a pipe or a device can give the
 *   next reader other bytes
 */
export function hashFiles(paths: readonly string[]): string[] {
  const piece = new Uint8Array(PIECE_BYTES);
  return paths.map((path) => hashFile(path, piece));
}

function hashFile(path: string, piece: Uint8Array): string {
  const file = openFile(path);
  try {
    if (!fstatSync(file).isFile())
      throw new GatewayError('PROCESS_UNSAFE', `${path} is no regular file, so it cannot be measured`);
    const hash = createHash('sha256');
    for (;;) {
      const length = readSync(file, piece);
      if (length === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
}

function openFile(path: string): number {
  try {
    // A pipe that nobody writes to would keep an open without O_NONBLOCK waiting (fifo(7)).
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    const why = `${path} cannot be read, so it cannot be measured (${error.code})`;
    throw new GatewayError('PROCESS_UNSAFE', why, { cause: error });
  }
}

/**
 * Paths of all files below `folder`, relative to it, with slashes. Folders for which `enter` is false are left out; `keep` chooses
 * among the files.
 * @throws GatewayError PROCESS_UNSAFE for a symbolic link or a special file: what is behind it changes without a trace
 */
export function filesBelow(
  folder: string,
  enter: (path: string) => boolean,
  keep: (path: string) => boolean,
  inside = '',
): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(folder, inside), { withFileTypes: true })) {
    const path = inside === '' ? entry.name : `${inside}/${entry.name}`;
    if (entry.isDirectory()) {
      if (enter(path)) found.push(...filesBelow(folder, enter, keep, path));
    } else if (!entry.isFile()) {
      throw new GatewayError(
        'PROCESS_UNSAFE',
        `${join(folder, path)} is a link or a special file. Only files can be measured; install the package again.`,
      );
    } else if (keep(path)) found.push(path);
  }
  return found;
}
