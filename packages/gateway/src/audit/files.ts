import { closeSync, existsSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes a rename or a creation in `folder` survive a power cut. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Creates `path` with `bytes`, mode 0600, whole or not at all, unless it exists. Returns whether it was created. */
export function createSecretFile(path: string, bytes: Uint8Array): boolean {
  if (existsSync(path)) return false;
  const temporary = `${path}.part`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
  return true;
}
