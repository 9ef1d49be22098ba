import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = process.env.CMCP_SHARED ?? resolve(fileURLToPath(new URL('../../shared', import.meta.url)));

/**
 * Absolute path of shared test data (vectors, datasets), or null where they are absent: then the caller skips visibly
 * with `t.skip(...)`. The data live beside the repository, or where CMCP_SHARED says.
 */
export function sharedPath(...parts: string[]): string | null {
  const path = join(root, ...parts);
  return existsSync(path) ? path : null;
}
