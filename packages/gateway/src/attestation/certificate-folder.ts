import { join } from 'node:path';
import { type Certificate, FormatError, readCertificates } from '@cmcp/evidence';
import type { TsmFs } from './tsm/fs.ts';

/** Files that firmware, kernel or operator leave for the gateway. */
export type PlatformFiles = Pick<TsmFs, 'readFile' | 'readdir'>;

/** What reading a file gave, or why there is nothing to read. */
export type FileReading = { bytes: Uint8Array<ArrayBuffer>; problem: null } | { bytes: null; problem: string };

/** Larger than any certificate chain. */
const MOST_BYTES = 1_048_576;

/** The certificates in the `.pem` and `.der` files of a folder. `report` hears of files that cannot be read; no folder holds none. */
export async function certificatesIn(
  folder: string,
  files: PlatformFiles,
  report: (detail: string) => void,
): Promise<Certificate[]> {
  const found: Certificate[] = [];
  for (const name of await namesIn(folder, files)) {
    const path = join(folder, name);
    const { bytes, problem } = await readOptional(path, MOST_BYTES, files);
    if (bytes === null) report(problem);
    else found.push(...parsed(path, bytes, report));
  }
  return found;
}

/** The whole file, when it is there, may be read and has at most `most` bytes. */
export async function readOptional(path: string, most: number, files: PlatformFiles): Promise<FileReading> {
  try {
    return { bytes: await files.readFile(path, most), problem: null };
  } catch (error) {
    return { bytes: null, problem: `${path} cannot be read (${systemCode(error)})` };
  }
}

async function namesIn(folder: string, files: PlatformFiles): Promise<string[]> {
  try {
    return (await files.readdir(folder)).filter((name) => /\.(?:pem|der)$/.test(name)).sort();
  } catch (error) {
    systemCode(error);
    return [];
  }
}

function parsed(path: string, bytes: Uint8Array<ArrayBuffer>, report: (detail: string) => void): Certificate[] {
  try {
    return readCertificates(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    report(`${path} is left out: ${error.message}`);
    return [];
  }
}

/** The code of an error of the operating system, such as ENOENT. Any other error is a defect and goes on. */
function systemCode(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  throw error;
}
