import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Arguments, Option } from './arguments.ts';
import { DEFAULT_CONFIG } from './command.ts';
import { type Io, LackingError, UsageError } from './io.ts';
import type { OperatorAccess } from './operator-client.ts';

/** Options of every command that asks the operator interface. */
export const OPERATOR_OPTIONS: Readonly<
  Record<'socket' | 'token-file' | 'operator' | 'tls-ca' | 'tls-cert' | 'tls-key', Option>
> = {
  socket: { value: 'PATH', help: 'The operator socket, instead of the one that the configuration names.' },
  'token-file': {
    value: 'FILE',
    help: 'Holds the operator token (default: CMCP_OPERATOR_TOKEN, else secrets/operator.token beside the configuration).',
  },
  operator: { value: 'URL', help: 'The operator interface over TLS, such as https://gateway.example:9443.' },
  'tls-ca': {
    value: 'FILE',
    help: 'With --operator: authorities of its certificate (default: those of this machine).',
  },
  'tls-cert': { value: 'FILE', help: 'With --operator: your certificate, in place of a token or beside it.' },
  'tls-key': { value: 'FILE', help: 'The private key of --tls-cert.' },
};

const TOKEN_VARIABLE = 'CMCP_OPERATOR_TOKEN';

/** Where the operator interface is, and what to show there. @throws LackingError when there is nothing to show */
export async function operatorAccess(given: Arguments, io: Io): Promise<OperatorAccess> {
  const url = given.one('operator');
  if (url !== null) return overTls(url, given, io);
  const stray = ['tls-ca', 'tls-cert', 'tls-key'].find((name) => given.one(name) !== null);
  if (stray !== undefined) throw new UsageError(`--${stray} goes with --operator`);
  const socket = given.one('socket') ?? (await socketOf(given.one('config') ?? DEFAULT_CONFIG, io));
  return { at: { socket }, token: await tokenOf(given, io) };
}

async function overTls(text: string, given: Arguments, io: Io): Promise<OperatorAccess> {
  if (given.one('socket') !== null) throw new UsageError('--socket and --operator name two interfaces; give one');
  const url = URL.parse(text);
  if (url?.protocol !== 'https:' || url.pathname !== '/' || url.search !== '' || url.username !== '')
    throw new UsageError('--operator takes https://host:port');
  const [ca, cert, key] = await Promise.all(['tls-ca', 'tls-cert', 'tls-key'].map((name) => fileOf(given.one(name))));
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('--tls-cert and --tls-key go together');
  const tls = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  const named = given.one('token-file') !== null || io.variables[TOKEN_VARIABLE] !== undefined;
  return { at: { url, tls }, token: cert !== undefined && !named ? null : await tokenOf(given, io) };
}

async function tokenOf(given: Arguments, io: Io): Promise<string> {
  const config = given.one('config') ?? DEFAULT_CONFIG;
  const set = given.one('token-file') !== null ? undefined : io.variables[TOKEN_VARIABLE];
  const file = given.one('token-file') ?? join(dirname(config), 'secrets', 'operator.token');
  const token = (set ?? (await tokenFile(file))).trim();
  if (/^[\x21-\x7e]{1,512}$/.test(token)) return token;
  throw new LackingError(`${set === undefined ? file : TOKEN_VARIABLE} does not hold a token`);
}

async function tokenFile(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new LackingError(
      `no operator token: ${file} cannot be read (${error.code}); name its file with --token-file`,
    );
  });
}

async function fileOf(path: string | null): Promise<string | undefined> {
  if (path === null) return undefined;
  return readFile(path, 'latin1').catch((error: NodeJS.ErrnoException) => {
    throw new LackingError(`${path} cannot be read (${error.code})`);
  });
}

async function socketOf(config: string, io: Io): Promise<string> {
  const { readConfig, readEnvironment } = await import('@cmcp/gateway');
  return (await readConfig(config, readEnvironment(io.variables))).operator.socket;
}
