import { responseCodeNumber, responseCodeText } from './response-code.ts';

/**
 * Why a TPM did not do what it was asked.
 *
 * - `closed`: the connection was let go of, or what is used was of a sequence that has ended
 * - `aborted`: the caller's AbortSignal
 * - `timeout`: no answer in time, or no turn
 * - `transport`: the device or socket cannot be opened, or failed
 * - `response`: the answer is not what the command's answer is (TPM 2.0 Part 3), or was altered on its way
 * - `refused`: the TPM answered with a response code
 */
export type TpmErrorCode = 'closed' | 'aborted' | 'timeout' | 'transport' | 'response' | 'refused';

/** The only error of this room. */
export class TpmError extends Error {
  override readonly name = 'TpmError';
  readonly code: TpmErrorCode;
  /** The TPM's response code when it refused. */
  readonly responseCode: number | null;

  constructor(code: TpmErrorCode, message: string, options: { cause?: unknown; responseCode?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.responseCode = options.responseCode ?? null;
  }

  /** Whether the TPM refused with `code` (of `RC`), whichever handle, parameter or session it means. */
  refusedWith(code: number): boolean {
    return this.responseCode !== null && responseCodeNumber(this.responseCode) === code;
  }
}

/** The error for a command that the TPM answered with a code other than success. */
export function refusal(command: string, responseCode: number): TpmError {
  return new TpmError('refused', `The TPM refused ${command}: ${responseCodeText(responseCode)}`, { responseCode });
}
