import { mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../../audit/files.ts';

/** A file of the collateral folder. Nothing in it is secret. */
export interface FolderFile {
  /** Below the folder, as layout.ts makes it. */
  path: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Puts files into the folder, each whole: a gateway that reads meanwhile finds the old one or the new one. Makes what folders lack. */
export async function storeCollateral(folder: string, files: readonly FolderFile[]): Promise<void> {
  for (const { path, bytes } of files) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    const handle = await open(`${file}.part`, 'w', 0o644);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.part`, file);
    syncFolder(dirname(file));
  }
}
