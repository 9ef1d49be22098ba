import { main } from '../../packages/cli/src/main.ts';
import { cliEnvironment, type Ran } from './cli.ts';

/**
 * Runs a command line in this process: as good as the real command for whatever starts nothing, and quicker. Paths must be
 * absolute; `folder` is for what the command keeps per user.
 */
export async function cmcpInProcess(args: string[], folder: string, env: Record<string, string> = {}): Promise<Ran> {
  const said = { stdout: '', stderr: '' };
  const code = await main(args, {
    out: (words) => {
      said.stdout += words;
    },
    err: (words) => {
      said.stderr += words;
    },
    variables: { ...cliEnvironment(folder), ...env },
    color: false,
  });
  return { code, ...said };
}
