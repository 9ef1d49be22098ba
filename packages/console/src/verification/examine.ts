import { type CallReceipt, type Check, type Expectations, type Report, seriesChecks, verify } from '@cmcp/evidence';
import { type Anatomy, anatomyOf } from './anatomy.ts';
import type { GivenFile } from './given-file.ts';
import { textAt } from './loose.ts';
import {
  type FoundKey,
  type FoundReceipt,
  type SessionInput,
  type Sorted,
  type Stranger,
  sortFiles,
} from './sort-files.ts';

/** All that a verdict depends on. */
export interface Question {
  files: readonly GivenFile[];
  /** What the person expects. Of the files only receipts are added to it: they can refuse a session, and never help one. */
  expectations: Expectations;
}

/** A verified, unverified or refused session. */
export interface ExaminedSession {
  /** The id of its first file: two sessions may have one name. */
  id: number;
  name: string;
  report: Report;
  /** null: the file has not the form of a session file, so there is nothing to draw. */
  anatomy: Anatomy | null;
}

/** The answer to a {@link Question}. */
export interface Examined {
  sessions: ExaminedSession[];
  /** How several sessions fit together; none for a single one. */
  series: Check[];
  keys: FoundKey[];
  receipts: FoundReceipt[];
  strangers: Stranger[];
}

/** Sorts the files and verifies every session in them. The same question has the same answer. */
export async function examine(question: Question): Promise<Examined> {
  const sorted = sortFiles(question.files);
  const sessions: ExaminedSession[] = [];
  for (const session of sorted.sessions) sessions.push(await examineSession(session, question, sorted));
  const series = seriesChecks(sessions.map(({ name, report }) => ({ file: name, report })));
  return { sessions, series, keys: sorted.keys, receipts: sorted.receipts, strangers: sorted.strangers };
}

async function examineSession(session: SessionInput, question: Question, sorted: Sorted): Promise<ExaminedSession> {
  const { entries } = session.places;
  const expectations = { ...question.expectations, receipts: receiptsFor(session, sorted) };
  const report = await verify(session.input, expectations, entries === null ? {} : { entries: entries.bytes });
  const readable = report.checks.some((check) => check.id === 'file.format' && check.outcome === 'proven');
  const id = session.places.claim.file;
  return { id, name: session.name, report, anatomy: readable ? anatomyOf(session.value, session.places) : null };
}

/** The receipts of this session, and those that no session here is named by: these must not pass unseen. */
function receiptsFor(session: SessionInput, { sessions, receipts }: Sorted): CallReceipt[] {
  const idOf = (each: SessionInput): string | null => textAt(each.value.claim, 'gateway', 'session_id');
  const others = new Set(sessions.filter((each) => each !== session).map(idOf));
  const own = idOf(session);
  return receipts
    .map(({ receipt }) => receipt)
    .filter((receipt) => receipt.session_id === own || !others.has(receipt.session_id));
}
