import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';

/** The path with symbolic links resolved as far as it exists; what does not exist yet is appended as written. */
async function realAsFarAsExists(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const parent = dirname(path);
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code !== 'ENOENT' || parent === path) throw error;
    return resolve(await realAsFarAsExists(parent), relative(parent, path));
  }
}

function contains(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/**
 * Whether `path` lies in `folder`, as written and after symbolic links are followed (D-04): what was reviewed is the
 * folder, so what is loaded must be in it. A path that cannot be followed lies outside.
 */
export async function liesInside(folder: string, path: string): Promise<boolean> {
  if (!contains(folder, path)) return false;
  try {
    return contains(await realpath(folder), await realAsFarAsExists(path));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

/** Linux holds 107 bytes of a socket's path, macOS 103. */
const MAX_SOCKET_PATH_BYTES = 100;

/** Why a Unix socket cannot be at `path`, in words; null when it can. */
export function socketProblem(path: string): string | null {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_SOCKET_PATH_BYTES) return null;
  return `the path ${path} has ${bytes} bytes, and a Unix socket takes ${MAX_SOCKET_PATH_BYTES}.`;
}
