import { realpathSync } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { url as inspectorUrl } from 'node:inspector';
import { isAbsolute } from 'node:path';

/** What the guards may see of the process and its kernel, and touch. */
export interface ProcessFacts {
  platform: NodeJS.Platform;
  /** `process.execArgv`. */
  flags: readonly string[];
  variables: Readonly<Record<string, string>>;
  /** The path of the Node.js binary, as the kernel shows it. */
  executable: string;
  /** The script that Node.js was given, absolute, links followed; null when it was given none that can be found. */
  program: string | null;
  /** Effective user id; null where there is none. */
  user: number | null;
  /** Where a debugger could connect; undefined when nowhere. */
  inspectorUrl: () => string | undefined;
  /** Makes a signal do nothing. */
  ignoreSignal: (signal: NodeJS.Signals) => void;
  /** The text of a file of the kernel or the system; null when it cannot be read. */
  read: (path: string) => Promise<string | null>;
  /** Whether something is at a path. True when that cannot be told. */
  exists: (path: string) => Promise<boolean>;
  /** Writes to a file of the kernel. Whether it took effect shows when it is read. */
  write: (path: string, text: string) => Promise<void>;
}

/** This process. */
export function ownProcess(variables: Readonly<Record<string, string>>): ProcessFacts {
  return {
    platform: process.platform,
    flags: process.execArgv,
    variables,
    executable: process.execPath,
    program: scriptOf(process.argv[1]),
    user: process.geteuid?.() ?? null,
    inspectorUrl,
    ignoreSignal: (signal) => void (process.listenerCount(signal) > 0 || process.on(signal, () => {})),
    read: (path) => unlessRefused(readFile(path, 'utf8')),
    exists,
    write: async (path, text) => void (await unlessRefused(writeFile(path, text))),
  };
}

/** Node.js makes the path of a script absolute; what it names otherwise, such as `-` for standard input, is none. */
function scriptOf(named: string | undefined): string | null {
  if (named === undefined || !isAbsolute(named)) return null;
  try {
    return realpathSync(named);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) return null;
    throw error;
  }
}

/** null when the system refuses: what is not there, or not allowed, is a fact to judge and no error. */
async function unlessRefused<T>(done: Promise<T>): Promise<T | null> {
  try {
    return await done;
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) return null;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'));
  }
}
