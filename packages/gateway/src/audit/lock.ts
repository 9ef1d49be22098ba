import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../errors.ts';
import { isBusy, isErrno } from './stores/sqlite-errors.ts';

/** A held store lock. The operating system releases it when the process dies, however it dies. */
export interface StoreLock {
  release(): void;
}

/**
 * Takes the one holder's lock of a store: an exclusive transaction, held open, on a SQLite file that holds nothing else. A
 * lock of the operating system decides, not a clock or a process id (contracts section 2). A second taker fails at once, also
 * inside one process.
 *
 * @throws GatewayError STORE_IN_USE when another holds it, STORE_INVALID when the lock file cannot be used
 */
export function lockStore(path: string): StoreLock {
  ensurePrivateFile(path);
  const db = openLock(path);
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db.close();
    if (isBusy(cause)) throw new GatewayError('STORE_IN_USE', `another gateway holds ${path}`, { cause });
    throw new GatewayError('STORE_INVALID', `${path} cannot be locked`, { cause });
  }
  return { release: () => db.close() };
}

function openLock(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (cause) {
    throw new GatewayError('STORE_INVALID', `${path} cannot be opened`, { cause });
  }
}

/**
 * Makes sure that `path` exists with mode 0600. An existing file is not opened: closing any descriptor of a file gives up all
 * POSIX locks that the process holds on it.
 */
export function ensurePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    chmodSync(path, 0o600);
  }
}
