import type { GivenFile } from './verification/given-file.ts';
import type { Stranger } from './verification/sort-files.ts';

/** As much as `cmcp verify` reads. */
const MOST_BYTES = 536_870_912;

/** Files that were read, and those that could not be, in words. */
export interface ReadFiles {
  given: GivenFile[];
  unreadable: Stranger[];
}

/** Reads files that a person gave, each under a number of its own. */
export async function readFiles(files: readonly File[]): Promise<ReadFiles> {
  const read = await Promise.all(files.map(readFile));
  return {
    given: read.filter((each) => 'bytes' in each),
    unreadable: read.filter((each) => 'why' in each),
  };
}

async function readFile(file: File): Promise<GivenFile | Stranger> {
  const { name } = file;
  if (file.size > MOST_BYTES) return { name, why: `it is larger than ${MOST_BYTES} bytes` };
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    return { id: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0, name, bytes };
  } catch (error) {
    // A folder, or a file that is gone.
    if (error instanceof DOMException) return { name, why: `the browser cannot read it (${error.name})` };
    throw error;
  }
}
