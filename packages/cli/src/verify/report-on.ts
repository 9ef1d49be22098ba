import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  combine,
  type DocumentExpectations,
  type DocumentKind,
  documentKind,
  type Expectations,
  entriesFileName,
  JsonError,
  type Report,
  type Sha256,
  verify,
  verifyDocument,
} from '@cmcp/evidence';
import { RefusedError } from '../io.ts';

const MAX_FILE_BYTES = 536_870_912;
const PIECE_BYTES = 1_048_576;

const sha256: Sha256 = { hex: (text) => hash('sha256', text), start: () => createHash('sha256') };

/** What a file was taken for, and the report on it. */
export interface ReportOnFile {
  kind: DocumentKind | 'session';
  report: Report;
}

/** The report on a file: a signed document if it is one, else a session, which is judged by `expectations`. */
export async function reportOn(
  file: string,
  expectations: Expectations,
  forDocuments: DocumentExpectations,
): Promise<ReportOnFile> {
  const bytes = await readBounded(file);
  const kind = documentKind(bytes);
  return kind === null
    ? { kind: 'session', report: await reportOnSession(file, bytes, expectations) }
    : { kind, report: await verifyDocument(bytes, forDocuments) };
}

/** The report on a session file, and on the entries beside it where it names them. */
async function reportOnSession(file: string, session: Uint8Array, expectations: Expectations): Promise<Report> {
  const report = await verify(session, expectations, { sha256 });
  // Asked only of a file whose entries were missed: a file that has them inside is long to read.
  if (!report.checks.some(({ id }) => id === 'file.entries')) return report;
  const name = entriesFileName(session);
  const beside = name === null ? null : join(dirname(file), name);
  if (beside === null || !(await isThere(beside))) return report;
  return verify(session, expectations, { entries: piecesOf(beside), sha256 });
}

/** The report on a claim of the reference and its audit bundle, which are two files. */
export async function reportOnPair(claim: string, bundle: string, expectations: Expectations): Promise<Report> {
  const [claimText, bundleText] = await Promise.all([readBounded(claim), readBounded(bundle)]);
  try {
    return await verify(combine(claimText, bundleText), expectations, { sha256 });
  } catch (error) {
    if (error instanceof JsonError)
      throw new RefusedError(`${claim} or ${bundle} is not strict JSON: ${error.message}`);
    throw error;
  }
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

async function readBounded(file: string): Promise<Uint8Array<ArrayBuffer>> {
  await refuseUnlessBounded(file);
  return Uint8Array.from(await readFile(file));
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
