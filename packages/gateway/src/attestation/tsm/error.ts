/**
 * Why there is no evidence. `absent`: no such file. `no-provider`: the kernel has the interface and nothing behind it. `denied`: not
 * for this user. `busy`: another request is under way. `refused`: the platform does not take the request. `too-large`: an answer of
 * more than 32 KiB. `timed-out`: none in time. `given-up`: nobody waits for it any more. `foreign`: an answer to another request than
 * ours. `malformed`: an answer that cannot be read. `failed`: anything else that the system reports.
 */
export type TsmErrorCode =
  | 'absent'
  | 'no-provider'
  | 'denied'
  | 'busy'
  | 'refused'
  | 'too-large'
  | 'timed-out'
  | 'given-up'
  | 'foreign'
  | 'malformed'
  | 'failed';

/** What the kernel's interface of trusted security modules, or what lies below it, could not do. */
export class TsmError extends Error {
  readonly code: TsmErrorCode;
  constructor(code: TsmErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TsmError';
    this.code = code;
  }
}

/** What an errno means there (kernel ABI configfs-tsm-report; sev-guest and tdx-guest drivers). */
const MEANINGS: ReadonlyMap<string, [TsmErrorCode, string]> = new Map([
  ['ENOENT', ['absent', 'the kernel has no such file']],
  ['ENXIO', ['no-provider', 'the kernel has no provider of evidence, or it went away']],
  // Kernels before 6.10 answer so where later ones say ENXIO.
  ['ENOTTY', ['no-provider', 'the kernel has no provider of evidence, or it went away']],
  ['EACCES', ['denied', 'this user may not ask']],
  ['EPERM', ['denied', 'this user may not ask']],
  ['EBUSY', ['busy', 'the platform is busy with another request']],
  ['EINVAL', ['refused', 'the platform does not take the request']],
  ['EFBIG', ['too-large', 'the answer is larger than any that is allowed']],
  ['ETIMEDOUT', ['failed', 'the host did not answer in time']],
  ['EINTR', ['failed', 'the request was interrupted']],
  ['EIO', ['failed', 'the platform reports an error']],
]);

/** `error` of a file call in the words of this room. What is not an error of the system is a defect, and thrown on. */
export function tsmError(error: unknown, doing: string): TsmError {
  if (error instanceof TsmError) return error;
  const errno = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
  if (errno === null || !/^E[A-Z0-9]+$/.test(errno)) throw error;
  const [code, words] = MEANINGS.get(errno) ?? ['failed', 'the system reports an error'];
  return new TsmError(code, `${doing}: ${words} (${errno})`, { cause: error });
}

/** Runs one file call. @throws TsmError */
export async function attempt<T>(doing: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw tsmError(error, doing);
  }
}

/** As {@link attempt}, for what is no loss: null when the system does not let it be done. */
export async function ifPossible<T>(call: () => Promise<T>): Promise<T | null> {
  try {
    return await attempt('trying', call);
  } catch (error) {
    if (error instanceof TsmError) return null;
    throw error;
  }
}
