import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { LackingError } from '../io.ts';

/**
 * Writes the verification page, one HTML file that works from a disk without a network.
 * @throws EEXIST when the file exists, LackingError when this installation has no page
 */
export async function writePage(file: string): Promise<void> {
  const page = await readFile(pagePath()).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new LackingError('this installation has no verification page; in a working copy, `npm run build` makes it');
  });
  await writeFile(file, page, { flag: 'wx' });
}

function pagePath(): string {
  return fileURLToPath(import.meta.resolve('@cmcp/console/verify.html'));
}
