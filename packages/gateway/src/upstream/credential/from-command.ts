import { execFile } from 'node:child_process';
import { GatewayError } from '../../errors.ts';
import { childEnvironment } from '../child-environment.ts';
import type { Issued } from './types.ts';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 65_536;

/**
 * What a command prints on its standard output, without the line's end. It runs without a shell and with the short environment that
 * servers get; what it prints is never repeated, whatever goes wrong.
 * @throws GatewayError UPSTREAM_UNAVAILABLE
 */
export function fromCommand(
  argv: readonly string[],
  baseEnv: Readonly<Record<string, string | undefined>>,
): Promise<Issued> {
  const [command = '', ...args] = argv;
  const options = { env: childEnvironment(baseEnv, {}), timeout: TIMEOUT_MS, maxBuffer: MAX_BYTES };
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, printed) => {
      if (error === null) resolve({ value: printed.replace(/\r?\n$/, ''), lifetimeMs: null });
      else reject(new GatewayError('UPSTREAM_UNAVAILABLE', `the credential command failed: ${reasonOf(error)}`));
    });
  });
}

/** Node's message would repeat the arguments. */
function reasonOf({ code, killed }: { code?: unknown; killed?: boolean }): string {
  if (killed === true) return `no end within ${TIMEOUT_MS} ms`;
  return typeof code === 'number' ? `exit code ${code}` : String(code ?? 'a signal');
}
