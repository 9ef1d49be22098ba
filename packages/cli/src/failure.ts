import { EXIT, LackingError, RefusedError, UsageError } from './io.ts';

/** What to do about a refusal, where its detail does not say so already. */
const ADVICE: Record<string, string> = {
  POLICY_HASH_MISMATCH:
    'If the change is approved, run `cmcp check` and pin the hash that it prints. If nobody approved it, do not start.',
  CATALOG_HASH_MISMATCH:
    'If the change is approved, run `cmcp check` and pin the hash that it prints. If nobody approved it, do not start.',
  STORE_IN_USE: 'Stop the other gateway, or give this one another `data` folder.',
  LISTEN_FAILED: 'Choose another `listen` address or `operator.socket` in the configuration, or stop what is using it.',
};

export interface Explanation {
  /** The exit code. */
  code: number;
  text: string;
}

/** What a person is told of an error, never a stack, and the exit code it ends the command with. */
export async function explain(error: unknown): Promise<Explanation> {
  if (error instanceof UsageError) return { code: EXIT.usage, text: error.message };
  if (error instanceof LackingError) return { code: EXIT.lacking, text: error.message };
  if (error instanceof RefusedError) return { code: EXIT.refused, text: error.message };
  if (!(error instanceof Error)) return { code: EXIT.refused, text: `stopped by ${String(error)}` };
  if (error.name === 'GatewayError') return explainRefusal(error);
  if (isSystemRefusal(error)) return { code: EXIT.refused, text: systemRefusal(error) };
  return {
    code: EXIT.refused,
    text: `stopped by an internal error: ${error.message}\n  Please report it with the command that you ran.`,
  };
}

const SYSTEM: Record<string, string> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read or written by you',
  EISDIR: 'is a folder, not a file',
  ENOTDIR: 'is below something that is not a folder',
  EEXIST: 'exists already, and is not replaced',
  ENOSPC: 'does not fit: the disk is full',
};

function isSystemRefusal(error: Error): error is NodeJS.ErrnoException {
  return 'syscall' in error && 'code' in error;
}

/** What the operating system refused, in words, with the path that it concerns. */
function systemRefusal(error: NodeJS.ErrnoException): string {
  const words = SYSTEM[error.code ?? ''];
  if (words === undefined) return error.message;
  return error.path === undefined ? `what should be read or written ${words}` : `${error.path} ${words}`;
}

async function explainRefusal(error: Error): Promise<Explanation> {
  const { ERRORS, GatewayError } = await import('@cmcp/gateway');
  if (!(error instanceof GatewayError)) return { code: EXIT.refused, text: error.message };
  const detail = error.detail.split('\n').map((line) => `  ${line}`);
  const advice = ADVICE[error.code];
  const lines = [
    `${ERRORS[error.code].message} (${error.code})`,
    ...detail,
    ...(advice === undefined ? [] : [`  ${advice}`]),
  ];
  return { code: error.code === 'ATTESTATION_UNAVAILABLE' ? EXIT.lacking : EXIT.refused, text: lines.join('\n') };
}
