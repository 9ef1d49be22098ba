import { createHash, type Hash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type AuditEntry,
  canonicalSorted,
  ENTRIES_MEDIA_TYPE,
  type EntriesFile,
  type SessionFile,
  stringifyJson,
} from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { syncFolder } from './files.ts';

const SUFFIX = '.cmcp.json';
const ENTRIES_SUFFIX = '.cmcp.ndjson';
const PART = '.part';
const MARK = SUFFIX + PART;

/** The longest chain that is written into the session file itself; a longer one gets a file beside it (contracts section 6). */
const INLINE_ENTRIES = 50_000;

/** The folder of session files. A file is there whole or not at all. */
export interface SessionFiles {
  /** Leaves a mark, before the claim is committed, that a file is due: a crash between the two is then made good at start. */
  announce(sessionId: string): void;
  /** Sessions that were announced and not written. */
  unfinished(): string[];
  /** Takes the mark away: there is no claim, so no file is due. */
  discard(sessionId: string): void;
  /** Writes the file, for a long session with its entries beside it, and returns its path. Atomic, synced, mode 0600. */
  write(file: SessionFile): Promise<string>;
}

/** `<dataDir>/sessions/`, created with mode 0700. Up to `inlineEntries` entries stand in the session file itself. */
export function openSessionFiles(dataDir: string, inlineEntries = INLINE_ENTRIES): SessionFiles {
  const folder = join(dataDir, 'sessions');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = (sessionId: string, suffix: string): string => join(folder, safe(sessionId) + suffix);
  const announce = (sessionId: string): void => {
    const mark = path(sessionId, MARK);
    try {
      closeSync(openSync(mark, 'w', 0o600));
    } catch (cause) {
      throw unwritable(mark, cause);
    }
  };
  return {
    announce,
    unfinished: () =>
      readdirSync(folder)
        .filter((name) => name.endsWith(MARK))
        .map((name) => name.slice(0, -MARK.length))
        .filter(isSessionId),
    discard: (sessionId) => rmSync(path(sessionId, MARK), { force: true }),
    write: async (file) => {
      const { session_id: sessionId, entries } = file.bundle;
      const target = path(sessionId, SUFFIX);
      // The mark stays until the second of two files is there: a crash between them is made good at start.
      announce(sessionId);
      try {
        const beside =
          entries.length > inlineEntries ? await writeEntries(path(sessionId, ENTRIES_SUFFIX), entries) : null;
        await writeWhole(target, sessionText(file, beside));
      } catch (cause) {
        throw unwritable(target, cause);
      }
      return target;
    },
  };
}

/** Writes the file of a session that may still be open as one of its claims, by its number. Atomic, synced, mode 0600. */
export async function writeClaimFile(dataDir: string, file: SessionFile): Promise<string> {
  const { session_id: sessionId, entries } = file.bundle;
  const folder = join(dataDir, 'sessions', safe(sessionId), 'claims');
  const path = join(folder, String(file.claim.gateway.sequence_number));
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const beside = entries.length > INLINE_ENTRIES ? await writeEntries(path + ENTRIES_SUFFIX, entries) : null;
    await writeWhole(path + SUFFIX, sessionText(file, beside));
  } catch (cause) {
    throw unwritable(path + SUFFIX, cause);
  }
  return path + SUFFIX;
}

function unwritable(path: string, cause: unknown): GatewayError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new GatewayError('AUDIT_UNAVAILABLE', `the session file ${path} cannot be written: ${reason}`, { cause });
}

/** Whether an id may name a file: what the gateway mints (UUIDs), and nothing that leaves the folder. */
export function isSessionId(text: string): boolean {
  return /^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$/.test(text);
}

function safe(sessionId: string): string {
  if (isSessionId(sessionId)) return sessionId;
  throw new GatewayError('INTERNAL_ERROR', 'a session id that cannot name a file');
}

/** Makes a file of `pieces`: it is there whole and synced, mode 0600, or not at all. */
async function writeWhole(path: string, pieces: Iterable<string>): Promise<void> {
  const part = path + PART;
  const handle = await open(part, 'w', 0o600);
  try {
    for (const piece of pieces) await handle.appendFile(piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(part, path);
  syncFolder(dirname(path));
}

/** Writes the entries to a file of their own, and says which it is. */
async function writeEntries(path: string, entries: readonly AuditEntry[]): Promise<EntriesFile> {
  const hash = createHash('sha256');
  await writeWhole(path, entryLines(entries, hash));
  const digest = `sha256:${hash.digest('hex')}`;
  return { name: basename(path), digest, entries: entries.length, media_type: ENTRIES_MEDIA_TYPE };
}

/** One entry to a line, each line ended by one LF; `hash` takes in what is written. */
function* entryLines(entries: readonly AuditEntry[], hash: Hash): Generator<string> {
  for (const piece of entriesText(entries, '\n')) {
    const text = `${piece}\n`;
    hash.update(text);
    yield text;
  }
}

/** The text of a session file, whose entries are inside or in the file `beside`. */
function* sessionText(file: SessionFile, beside: EntriesFile | null): Generator<string> {
  const { entries, ...bundle } = file.bundle;
  yield `{"format":${stringifyJson(file.format)},"claim":${stringifyJson(file.claim)},`;
  yield `"bundle":{"session_id":${stringifyJson(bundle.session_id)},`;
  if (beside === null) yield* inlineEntries(entries);
  else yield `"entries_file":${stringifyJson(beside)}`;
  yield `,"bundle_signature":${stringifyJson(bundle.bundle_signature)}},`;
  yield `"checkpoints":${stringifyJson(file.checkpoints)},"evidence":${stringifyJson(file.evidence)}}\n`;
}

function* inlineEntries(entries: readonly AuditEntry[]): Generator<string> {
  yield '"entries":[';
  let before = '\n';
  for (const piece of entriesText(entries, ',\n')) {
    yield before + piece;
    before = ',\n';
  }
  yield ']';
}

const ENTRIES_PER_PIECE = 500;

/**
 * Entries in pieces: a long session neither fits well into one string nor may hold up the log while it is written. Each in the form
 * that its hash is made over, so that a verifier need not write it again.
 */
function* entriesText(entries: readonly AuditEntry[], separator: string): Generator<string> {
  for (let at = 0; at < entries.length; at += ENTRIES_PER_PIECE) {
    const piece = entries.slice(at, at + ENTRIES_PER_PIECE);
    yield piece.map((entry) => canonicalSorted(entry)).join(separator);
  }
}
