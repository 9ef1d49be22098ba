import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  FormatError,
  type LiveExpectations,
  readExpectations,
  TPM_MAKER_ANCHORS,
  VENDOR_ANCHORS,
} from '@cmcp/evidence';
import { durationMs, type Peer } from '@cmcp/gateway/client';
import type { Arguments, Option } from '../arguments.ts';
import { type Io, LackingError, RefusedError, UsageError } from '../io.ts';
import type { ConnectOptions } from './run.ts';

export const TPM_MAKERS_OPTION: Option = {
  help: 'Trust the roots of TPM makers too; they were collected from one source only.',
};

export const CONNECT_OPTIONS: Record<string, Option> = {
  expect: { value: 'FILE', help: 'What you expect of the gateway: measurements, hashes, keys, roots. Required.' },
  'tpm-makers': TPM_MAKERS_OPTION,
  'token-env': { value: 'NAME', help: 'The environment variable that holds the credential of the agent.' },
  'token-file': { value: 'FILE', help: 'A file that holds the credential of the agent.' },
  ca: { value: 'FILE', help: 'PEM certificates that the certificate of the gateway must lead to as well.' },
  reverify: {
    value: 'DURATION',
    help: 'Check again at least this often, such as 2m (default: before the validity ends).',
  },
};

const TOKEN = /^[\x21-\x7e]{1,4096}$/;
const LEAST_REVERIFY_MS = 1_000;

/** @throws UsageError, LackingError, RefusedError for a file that does not hold what it should */
export async function readConnectOptions(given: Arguments, io: Io): Promise<ConnectOptions> {
  const [address, ...more] = given.positionals;
  if (address === undefined || more.length > 0) throw new UsageError('name the URL of one gateway');
  const url = readUrl(address);
  const expectations = await expectationsOf(given);
  if (url.protocol === 'http:') requirePlain(expectations);
  return {
    url,
    expectations,
    token: await readToken(given, io),
    authorities: await readAuthorities(given.one('ca')),
    reverifyMs: readReverify(given.one('reverify')),
  };
}

/** `https://gateway.example` alone means its one endpoint. */
export function readUrl(address: string): URL {
  const url = URL.parse(address);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new UsageError(`${JSON.stringify(address)} is not an https URL`);
  }
  if (url.pathname === '/') url.pathname = '/mcp';
  return url;
}

/** What --expect and --tpm-makers say, with the roots of the makers. @throws UsageError, RefusedError */
export async function expectationsOf(given: Arguments): Promise<LiveExpectations> {
  const file = given.one('expect');
  if (file === null) throw new UsageError('say with --expect what you expect; nothing is trusted on first use');
  const expectations = await readFileOfExpectations(file);
  const makers = given.has('tpm-makers') ? TPM_MAKER_ANCHORS : [];
  return { ...expectations, anchors: [...VENDOR_ANCHORS, ...makers, ...(expectations.anchors ?? [])] };
}

async function readFileOfExpectations(file: string): Promise<LiveExpectations> {
  try {
    return readExpectations(await readFile(file));
  } catch (error) {
    if (error instanceof FormatError) throw new RefusedError(`${file}: ${error.message}`);
    throw error;
  }
}

/** Without TLS nothing binds evidence to the connection: it is worth no more than the word of a software key. */
function requirePlain({ acceptNoTls, acceptSoftware }: LiveExpectations): void {
  if (acceptNoTls === true && acceptSoftware === true) return;
  throw new RefusedError(
    'plain http is only for a gateway in dev mode on this machine, and the file of expectations has to accept that: ' +
      '"accept": ["software", "no-tls"]. Give the gateway a `tls` section and use https instead.',
  );
}

async function readToken(given: Arguments, io: Io): Promise<string | null> {
  const [name, file] = [given.one('token-env'), given.one('token-file')];
  if (name !== null && file !== null)
    throw new UsageError('give the credential with --token-env or --token-file, not both');
  if (name === null && file === null) return null;
  const text = name !== null ? io.variables[name] : await readFile(file ?? '', 'utf8');
  if (text === undefined) throw new LackingError(`the environment variable ${name} is not set`);
  const token = text.trim();
  if (!TOKEN.test(token)) throw new LackingError(`${name ?? file} does not hold a token`);
  return token;
}

/** Without --ca, the certificate is only an envelope for the attested key. */
async function readAuthorities(file: string | null): Promise<Peer['authorities']> {
  if (file === null) return 'none';
  const pem = await readFile(file, 'utf8');
  try {
    new X509Certificate(pem);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new RefusedError(`${file} holds no PEM certificates`);
  }
  return [pem];
}

function readReverify(given: string | null): number | null {
  if (given === null) return null;
  const ms = durationMs(given);
  if (ms === null || ms < LEAST_REVERIFY_MS)
    throw new UsageError('--reverify takes a duration from 1s, such as 30s, 2m or 1h');
  return ms;
}
