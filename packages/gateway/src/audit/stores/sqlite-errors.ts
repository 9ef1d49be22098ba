const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

/** Whether a node:sqlite error says that someone else holds the lock. */
export function isBusy(error: unknown): boolean {
  if (!isErrno(error, 'ERR_SQLITE_ERROR') || !('errcode' in error) || typeof error.errcode !== 'number') return false;
  // Extended codes keep the primary one in their low byte.
  const primary = error.errcode & 0xff;
  return primary === SQLITE_BUSY || primary === SQLITE_LOCKED;
}

/** Whether `error` is a Node error with this code. */
export function isErrno(error: unknown, code: string): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && error.code === code;
}
