import { closeSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditEntry, type SessionFile, stringifyJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { syncFolder } from './files.ts';

const SUFFIX = '.cmcp.json';
const PART = `${SUFFIX}.part`;

/** The folder of session files. A file is there whole or not at all. */
export interface SessionFiles {
  /** Leaves a mark, before the claim is committed, that a file is due: a crash between the two is then made good at start. */
  announce(sessionId: string): void;
  /** Sessions that were announced and not written. */
  unfinished(): string[];
  /** Takes the mark away: there is no claim, so no file is due. */
  discard(sessionId: string): void;
  /** Writes the file and returns its path. Atomic, synced, mode 0600. */
  write(file: SessionFile): Promise<string>;
}

/** `<dataDir>/sessions/`, created with mode 0700. */
export function openSessionFiles(dataDir: string): SessionFiles {
  const folder = join(dataDir, 'sessions');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const part = (sessionId: string): string => join(folder, safe(sessionId) + PART);
  const path = (sessionId: string): string => join(folder, safe(sessionId) + SUFFIX);
  return {
    announce: (sessionId) => {
      try {
        closeSync(openSync(part(sessionId), 'w', 0o600));
      } catch (cause) {
        throw unwritable(part(sessionId), cause);
      }
    },
    unfinished: () =>
      readdirSync(folder)
        .filter((name) => name.endsWith(PART))
        .map((name) => name.slice(0, -PART.length))
        .filter(isSessionId),
    discard: (sessionId) => rmSync(part(sessionId), { force: true }),
    write: async (file) => {
      const { session_id: sessionId } = file.bundle;
      try {
        await writeWhole(part(sessionId), file);
        await rename(part(sessionId), path(sessionId));
        syncFolder(folder);
      } catch (cause) {
        throw unwritable(path(sessionId), cause);
      }
      return path(sessionId);
    },
  };
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

async function writeWhole(path: string, file: SessionFile): Promise<void> {
  const handle = await open(path, 'w', 0o600);
  try {
    for (const piece of pieces(file)) await handle.appendFile(piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const ENTRIES_PER_PIECE = 500;

/** The file's text in pieces: a long session neither fits well into one string nor may hold up the log while it is written. */
function* pieces(file: SessionFile): Generator<string> {
  const { entries, ...bundle } = file.bundle;
  yield `{"format":${stringifyJson(file.format)},"claim":${stringifyJson(file.claim)},`;
  yield `"bundle":{"session_id":${stringifyJson(bundle.session_id)},"entries":[`;
  for (let at = 0; at < entries.length; at += ENTRIES_PER_PIECE) {
    yield (at === 0 ? '\n' : ',\n') + entriesText(entries.slice(at, at + ENTRIES_PER_PIECE));
  }
  yield `],"bundle_signature":${stringifyJson(bundle.bundle_signature)}},`;
  yield `"checkpoints":${stringifyJson(file.checkpoints)},"evidence":${stringifyJson(file.evidence)}}\n`;
}

function entriesText(entries: readonly AuditEntry[]): string {
  return entries.map((entry) => stringifyJson(entry)).join(',\n');
}
