import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { canonicalSorted, digest, type JsonObject } from '@cmcp/evidence';

const CODE = /\.(js|ts|mjs|json|wasm)$/;
const NOT_CODE = /\.(test|d)\.ts$/;

/**
 * Digest over the bytes of every code file below the given folders (defect W-11: of the files, not of a list of them).
 * `roots`: name → absolute folder; names, not machine paths, enter the digest.
 */
export async function measureCode(roots: Record<string, string>): Promise<string> {
  const files: JsonObject = {};
  for (const [name, root] of Object.entries(roots)) {
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile() || !CODE.test(entry.name) || NOT_CODE.test(entry.name)) continue;
      const path = join(entry.parentPath, entry.name);
      const hash = createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
      files[`${name}/${relative(root, path).replaceAll('\\', '/')}`] = hash;
    }
  }
  return digest(canonicalSorted(files));
}
