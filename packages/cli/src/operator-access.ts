import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Arguments, Option } from './arguments.ts';
import { DEFAULT_CONFIG } from './command.ts';
import { type Io, LackingError } from './io.ts';
import type { OperatorAccess } from './operator-client.ts';

/** Options of every command that asks the operator interface. */
export const OPERATOR_OPTIONS: Readonly<Record<'socket' | 'token-file', Option>> = {
  socket: { value: 'PATH', help: 'The operator socket, instead of the one that the configuration names.' },
  'token-file': {
    value: 'FILE',
    help: 'Holds the operator token (default: secrets/operator.token beside the configuration).',
  },
};

/** Where the operator interface is, and the token for it. @throws LackingError when there is no token */
export async function operatorAccess(given: Arguments, io: Io): Promise<OperatorAccess> {
  const config = given.one('config') ?? DEFAULT_CONFIG;
  const tokenFile = given.one('token-file') ?? join(dirname(config), 'secrets', 'operator.token');
  const token = await readFile(tokenFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new LackingError(
      `no operator token: ${tokenFile} cannot be read (${error.code}); name its file with --token-file`,
    );
  });
  const trimmed = token.trim();
  if (!/^[\x21-\x7e]{1,512}$/.test(trimmed)) throw new LackingError(`${tokenFile} does not hold a token`);
  return { socket: given.one('socket') ?? (await socketOf(config, io)), token: trimmed };
}

async function socketOf(config: string, io: Io): Promise<string> {
  const { readConfig, readEnvironment } = await import('@cmcp/gateway');
  return (await readConfig(config, readEnvironment(io.variables))).operator.socket;
}
