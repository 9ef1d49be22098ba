import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve } from 'node:path';

/**
 * The absolute path of what a shell in `folder` would run for `command`, or null. A catalog names what runs by absolute
 * path, so that a PATH changed later cannot choose another program.
 */
export async function commandPath(command: string, pathVariable: string, folder: string): Promise<string | null> {
  if (command === '') return null;
  if (command.includes('/')) {
    const path = resolve(folder, command);
    return (await isExecutable(path)) ? path : null;
  }
  for (const entry of pathVariable.split(delimiter)) {
    // An empty or relative entry means "wherever this is run": not a fixed program.
    if (!isAbsolute(entry)) continue;
    const path = join(entry, command);
    if (await isExecutable(path)) return path;
  }
  return null;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}
