import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../../audit/files.ts';
import { GatewayError } from '../../errors.ts';

/** A file of the collateral folder. Nothing in it is secret. */
export interface FolderFile {
  /** Below the folder, as layout.ts makes it. */
  path: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Puts files into the folder. All are written beside their places before the first is put into its own, so a full disk changes
 * nothing. A gateway that reads meanwhile finds each file whole, the old one or the new one. Makes what folders lack.
 * @throws GatewayError COLLATERAL_UNAVAILABLE that says what was changed
 */
export async function storeCollateral(folder: string, files: readonly FolderFile[]): Promise<void> {
  const prepared: string[] = [];
  try {
    for (const { path, bytes } of files) prepared.push(await prepare(join(folder, path), bytes));
    await putInPlace(folder, files);
  } finally {
    // Those that are in place have lost this name.
    for (const part of prepared) await rm(part, { force: true });
  }
}

/** Writes a file to the disk, beside its place. Returns where. */
async function prepare(file: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const part = partOf(file);
  try {
    await mkdir(dirname(file), { recursive: true });
    const handle = await open(part, 'w', 0o644);
    await written(handle, bytes).catch(async (error: unknown) => {
      await rm(part, { force: true });
      throw error;
    });
    return part;
  } catch (error) {
    throw refusal(error, (code) => `${part} could not be written (${code}). Nothing was changed.`);
  }
}

async function written(handle: FileHandle, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function putInPlace(folder: string, files: readonly FolderFile[]): Promise<void> {
  const done: string[] = [];
  for (const { path } of files) {
    const file = join(folder, path);
    try {
      await rename(partOf(file), file);
      done.push(path);
      syncFolder(dirname(file));
    } catch (error) {
      const state = done.length === 0 ? 'Nothing was changed.' : mixed(done, files.length);
      throw refusal(error, (code) => `${file} could not be replaced (${code}). ${state}`);
    }
  }
}

function mixed(done: readonly string[], all: number): string {
  const are = `${done.length} of ${all} files are new: ${done.join(', ')}.`;
  return `${are} The others are those of before: put right what is named here, and run the command again.`;
}

function partOf(file: string): string {
  return `${file}.part`;
}

function refusal(error: unknown, why: (code: string) => string): unknown {
  if (!(error instanceof Error && 'code' in error)) return error;
  return new GatewayError('COLLATERAL_UNAVAILABLE', why(String(error.code)), { cause: error });
}
