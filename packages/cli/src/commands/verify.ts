import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type CallReceipt,
  type Expectations,
  entriesFileName,
  isObject,
  JsonError,
  type JsonObject,
  member,
  parseJson,
  type Report,
  verify,
} from '@cmcp/evidence';
import type { Arguments } from '../arguments.ts';
import { type Command, JSON_OPTION } from '../command.ts';
import { EXIT, type Io, RefusedError, UsageError } from '../io.ts';
import { knownKeys, readKey } from '../keys.ts';
import { reportText } from '../report-text.ts';

const MAX_FILE_BYTES = 536_870_912;

const PIECE_BYTES = 1_048_576;

export const verifyCommand: Command = {
  name: 'verify',
  usage: 'FILE… [options]',
  summary: 'check session files offline: what is proven, asserted, not checked',
  description: [
    'Exit code 0 only when everything required is proven, for every file: integrity, evidence of genuine hardware in the',
    'measured state that you name, the approved policy and catalog, and enforcing mode. Whatever you leave out is reported',
    'as lacking. Each relaxation is a flag, and the report repeats it. Nothing inside a file counts as an expectation.',
    '',
    'Without --key, the keys of dev-mode gateways that ran on this machine for you are tried, and the report says so.',
  ],
  options: {
    key: { value: 'FILE', multiple: true, help: 'A claim key that you trust: a JWK, or its x on one line.' },
    'policy-hash': { value: 'HASH', help: 'The approved policy bundle, sha256:…' },
    'catalog-hash': { value: 'HASH', help: 'The approved catalog, sha256:…' },
    measurement: { value: 'VALUE', help: 'The reference value that the platform must have measured.' },
    receipt: {
      value: 'FILE',
      multiple: true,
      help: 'The `_meta` that a caller got back; its call must be in the record.',
    },
    'max-age': { value: 'SECONDS', help: 'Refuse evidence that is older than this.' },
    at: { value: 'TIME', help: 'Judge age at this RFC 3339 time instead of now.' },
    'accept-software': { help: 'Accept a software key: nothing vouches for the machine.' },
    'accept-software-tpm': { help: 'Accept a software TPM: nothing vouches for the machine.' },
    'accept-operator-root': { help: 'Accept evidence that chains to a root of the operator, not of a vendor.' },
    'allow-mode': { value: 'MODE', multiple: true, help: 'Accept a session in this mode besides enforcing: advisory.' },
    'unpinned-policy': { help: 'Do not require --policy-hash.' },
    'unpinned-catalog': { help: 'Do not require --catalog-hash.' },
    json: JSON_OPTION,
  },
  examples: [
    [
      'cmcp verify session.cmcp.json --policy-hash sha256:… --catalog-hash sha256:… --measurement sha384:…',
      'The full question',
    ],
    [
      'cmcp verify *.cmcp.json --accept-software --unpinned-policy --unpinned-catalog',
      'Sessions of a dev-mode gateway on this machine',
    ],
    [
      'cmcp verify session.cmcp.json --accept-software --key gateway.jwk --json',
      'For a script, with a key that you were given',
    ],
  ],
  async run(given, io) {
    if (given.positionals.length === 0) throw new UsageError('name at least one session file');
    const expectations = await readExpectations(given, io);
    const reports: [string, Report][] = [];
    for (const file of given.positionals) reports.push([file, await reportOn(file, expectations)]);
    const verified = reports.every(([, report]) => report.verdict === 'verified');
    if (given.has('json')) {
      const files = reports.map(([file, report]) => ({ file, ...report }));
      io.out(`${JSON.stringify({ verified, files }, null, 2)}\n`);
    } else {
      io.out(reports.map(([file, report]) => reportText(file, report, io.color)).join('\n'));
    }
    return verified ? EXIT.done : EXIT.refused;
  },
};

const sha256 = () => createHash('sha256');

async function reportOn(file: string, expectations: Expectations): Promise<Report> {
  await refuseUnlessBounded(file);
  const session = await readFile(file);
  const report = await verify(session, expectations, { sha256 });
  // Asked only of a file whose entries were missed: a file that has them inside is long to read.
  if (!report.checks.some(({ id }) => id === 'file.entries')) return report;
  const name = entriesFileName(session);
  const beside = name === null ? null : join(dirname(file), name);
  if (beside === null || !(await isThere(beside))) return report;
  return verify(session, expectations, { entries: piecesOf(beside), sha256 });
}

/** False: there is no such file, which the report says. */
async function isThere(file: string): Promise<boolean> {
  try {
    await refuseUnlessBounded(file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

async function refuseUnlessBounded(file: string): Promise<void> {
  const about = await stat(file);
  if (!about.isFile()) throw new RefusedError(`${file} is not a file`);
  if (about.size > MAX_FILE_BYTES) throw new RefusedError(`${file} is larger than ${MAX_FILE_BYTES} bytes`);
}

/** A file, a piece at a time: it is opened when the first is asked for. */
async function* piecesOf(file: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(file, { highWaterMark: PIECE_BYTES });
}

async function readExpectations(given: Arguments, io: Io): Promise<Expectations> {
  const named = await Promise.all(given.many('key').map(readKey));
  const receipts = await Promise.all(given.many('receipt').map(readReceipt));
  const maxAge = seconds(given.one('max-age'));
  const at = time(given.one('at'));
  const policyHash = hash(given, 'policy-hash');
  const catalogHash = hash(given, 'catalog-hash');
  const measurement = given.one('measurement');
  return {
    keys: named.length > 0 ? named : await knownKeys(io.variables),
    receipts,
    acceptSoftware: given.has('accept-software'),
    acceptSoftwareTpm: given.has('accept-software-tpm'),
    acceptOperatorRoot: given.has('accept-operator-root'),
    unpinnedPolicy: given.has('unpinned-policy'),
    unpinnedCatalog: given.has('unpinned-catalog'),
    allowModes: given.many('allow-mode').map(mode),
    ...(policyHash !== null && { policyHash }),
    ...(catalogHash !== null && { catalogHash }),
    ...(measurement !== null && { measurement }),
    // Age is judged by a clock only when it was asked about (contracts section 5).
    ...(at !== null && { now: at }),
    ...(maxAge !== null && { maxAgeSeconds: maxAge, now: at ?? Math.floor(Date.now() / 1000) }),
  };
}

function hash(given: Arguments, name: string): string | null {
  const value = given.one(name);
  if (value === null) return null;
  if (!/^(?:sha256:)?[0-9a-f]{64}$/.test(value))
    throw new UsageError(`--${name} takes sha256: and 64 lower-case hexadecimal digits`);
  return value;
}

function seconds(value: string | null): number | null {
  if (value === null) return null;
  if (!/^(?:0|[1-9]\d{0,9})$/.test(value)) throw new UsageError('--max-age takes a whole number of seconds');
  return Number(value);
}

function time(value: string | null): number | null {
  if (value === null) return null;
  const millis = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(value)
    ? Date.parse(value)
    : Number.NaN;
  if (Number.isNaN(millis))
    throw new UsageError('--at takes an RFC 3339 time with its zone, such as 2026-01-31T12:00:00Z');
  return Math.floor(millis / 1000);
}

function mode(value: string): 'advisory' {
  if (value !== 'advisory') throw new UsageError('--allow-mode takes advisory');
  return value;
}

/** What a caller kept: the whole `_meta`, or its `io.cmcp/call` alone. */
async function readReceipt(file: string): Promise<CallReceipt> {
  const receipt = receiptOf(await parseFile(file));
  if (receipt === null)
    throw new RefusedError(`${file} holds no receipt: expected call_id and session_id, as in _meta["io.cmcp/call"]`);
  return receipt;
}

async function parseFile(file: string): Promise<JsonObject> {
  try {
    const value = parseJson(await readFile(file));
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw new RefusedError(`${file} is not a JSON object`);
}

function receiptOf(given: JsonObject): CallReceipt | null {
  const inner = member(given, 'io.cmcp/call');
  const receipt = isObject(inner) ? inner : given;
  const call_id = member(receipt, 'call_id');
  const session_id = member(receipt, 'session_id');
  const sequence = member(receipt, 'sequence');
  const entry_hash = member(receipt, 'entry_hash');
  if (typeof call_id !== 'string' || typeof session_id !== 'string') return null;
  return {
    call_id,
    session_id,
    ...(typeof sequence === 'number' && { sequence }),
    ...(typeof entry_hash === 'string' && { entry_hash }),
  };
}
