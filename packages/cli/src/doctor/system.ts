import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, readdir, readFile, stat, statfs } from 'node:fs/promises';
import { platform, release } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Config, Detection, Platform, ProcessFacts } from '@cmcp/gateway';

/** Who may do what with a file. */
export interface Owned {
  /** Permission bits. */
  mode: number;
  user: number;
  group: number;
}

/** What the doctor may see of the machine. null: it is not there, or may not be seen. */
export interface DoctorSystem {
  /** Release of the Linux kernel; null on another system. */
  kernel: string | null;
  /** Effective user id; null where there is none. */
  user: number | null;
  /** Milliseconds since the epoch. */
  nowMs(): number;
  owned(path: string): Promise<Owned | null>;
  /** Whether this user may read and write it. */
  usable(path: string): Promise<boolean>;
  read(path: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Absolute paths of all files below a folder. */
  filesBelow(folder: string): Promise<string[] | null>;
  freeBytes(path: string): Promise<number | null>;
  /** Standard output of a program. */
  ask(program: string, args: string[]): Promise<string | null>;
  /** This process. */
  process: ProcessFacts;
  /** Looks for platforms, and changes nothing. */
  detect(config: Config): Promise<Detection[]>;
  /** Asks the platform for evidence once, as starting does. Rejects with GatewayError. */
  tryEvidence(config: Config): Promise<Platform>;
}

const ASK_TIMEOUT_MS = 5_000;

/** This machine, besides what the gateway knows of it. */
export function machine(): Omit<DoctorSystem, 'process' | 'detect' | 'tryEvidence'> {
  return {
    kernel: platform() === 'linux' ? release() : null,
    user: process.geteuid?.() ?? null,
    nowMs: () => Date.now(),
    owned: async (path) => {
      const found = await unlessRefused(stat(path));
      return found === null ? null : { mode: found.mode & 0o7777, user: found.uid, group: found.gid };
    },
    usable: async (path) => (await unlessRefused(access(path, constants.R_OK | constants.W_OK))) !== null,
    read: (path) => unlessRefused(readFile(path)),
    filesBelow: async (folder) => {
      const entries = await unlessRefused(readdir(folder, { recursive: true, withFileTypes: true }));
      return entries?.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)) ?? null;
    },
    freeBytes: async (path) => {
      const found = await unlessRefused(statfs(path));
      return found === null ? null : found.bavail * found.bsize;
    },
    ask: async (program, args) =>
      (await unlessRefused(promisify(execFile)(program, args, { timeout: ASK_TIMEOUT_MS })))?.stdout ?? null,
  };
}

/** What the system refuses, and a program that fails, say nothing: the doctor then says that it cannot be told. */
async function unlessRefused<T>(done: Promise<T>): Promise<T | null> {
  try {
    return await done;
  } catch (error) {
    if (error instanceof Error && ('syscall' in error || 'killed' in error)) return null;
    throw error;
  }
}
