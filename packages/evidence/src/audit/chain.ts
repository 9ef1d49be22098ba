import { type Finding, failed, proven, provenUnless } from '../finding.ts';
import { JsonError } from '../json/error.ts';
import { type ChainEntry, isCall } from './chain-entry.ts';
import { entryHash } from './hash.ts';

/** What the first entry names as its predecessor. */
const GENESIS = 'genesis';

/** Whether each entry hashes to its `entry_hash`, over exactly the members it has. */
export function hashes(entries: readonly ChainEntry[]): Finding {
  for (const [i, entry] of entries.entries()) {
    if (hashOf(entry) !== entry.hash) return failed(`entry ${i} does not hash to its entry_hash`);
  }
  return proven(`all ${entries.length} entries hash to their entry_hash`);
}

function hashOf(entry: ChainEntry): string | null {
  try {
    return entryHash(entry.raw);
  } catch (error) {
    // A number that no canonical form can print: then nobody can have hashed it.
    if (error instanceof JsonError) return null;
    throw error;
  }
}

/** Whether each entry names its predecessor, from genesis on. */
export function links(entries: readonly ChainEntry[]): Finding {
  const broken = entries.findIndex((entry, i) => entry.previousHash !== (entries[i - 1]?.hash ?? GENESIS));
  return provenUnless(
    broken < 0 ? null : `entry ${broken} does not link to the entry before it`,
    'every entry links to the one before it, the first to genesis',
  );
}

/** Whether sequence numbers count 0, 1, 2, … and no entry id appears twice. */
export function sequence(entries: readonly ChainEntry[]): Finding {
  const wrong = entries.findIndex((entry, i) => entry.sequence !== i);
  if (wrong >= 0) return failed(`entry ${wrong} has the sequence number ${entries[wrong]?.sequence}`);
  const repeated = new Set(entries.map((entry) => entry.id)).size < entries.length;
  return provenUnless(
    repeated ? 'two entries have the same entry_id' : null,
    'sequence numbers have no gap, ids no repeat',
  );
}

/** Whether time never runs backwards. */
export function order(entries: readonly ChainEntry[]): Finding {
  const early = entries.findIndex((entry, i) => entry.micros < (entries[i - 1]?.micros ?? 0));
  return provenUnless(
    early < 0 ? null : `entry ${early} is earlier than the entry before it`,
    'no entry is earlier than the one before it',
  );
}

/** Whether the chain has one start, at its start, and at most one end, at its end. */
export function frame(entries: readonly ChainEntry[]): Finding {
  if (entries[0]?.type !== 'session_start') return failed('the first entry is not session_start');
  const start = entries.findIndex((entry, i) => i > 0 && entry.type === 'session_start');
  if (start >= 0) return failed(`entry ${start} is a second session_start`);
  const end = entries.findIndex((entry) => entry.type === 'session_end');
  if (end >= 0 && end < entries.length - 1) return failed(`entry ${end} ends the session, and entries follow it`);
  return proven(
    end < 0
      ? 'one session_start, first; the session was still open'
      : 'one session_start, first; one session_end, last',
  );
}

/** Whether all entries, the bundle and the claim speak of one session. */
export function oneSession(entries: readonly ChainEntry[], bundleSessionId: string, claimSessionId: string): Finding {
  if (bundleSessionId !== claimSessionId) return failed('the bundle and the claim name different sessions');
  const other = entries.findIndex((entry) => entry.sessionId !== claimSessionId);
  return provenUnless(
    other < 0 ? null : `entry ${other} belongs to another session`,
    'entries, bundle and claim name one session',
  );
}

/** Whether the chain is the one that the claim names. */
export function bounds(
  entries: readonly ChainEntry[],
  claimed: { root: string; tip: string; length: number },
): Finding {
  if (entries[0]?.hash !== claimed.root) return failed('the first entry is not the chain root of the claim');
  if (entries.at(-1)?.hash !== claimed.tip) return failed('the last entry is not the chain tip of the claim');
  if (entries.length !== claimed.length)
    return failed(`the claim names ${claimed.length} entries, the bundle has ${entries.length}`);
  return proven('root, tip and length are those of the claim');
}

/** Whether every call has an id, a tool and a decision, and exactly one entry (defect W-09). */
export function calls(entries: readonly ChainEntry[]): Finding {
  const ended = new Set<string>();
  for (const [i, entry] of entries.entries()) {
    if (!isCall(entry)) continue;
    if (entry.callId === null || entry.toolName === null) return failed(`entry ${i} ends a call that it does not name`);
    if (ended.has(entry.callId)) return failed(`entry ${i} ends a call that an earlier entry ended`);
    if (entry.decision === null || entry.decision === 'n/a') return failed(`entry ${i} ends a call without a decision`);
    ended.add(entry.callId);
  }
  return proven(`${ended.size} calls, each with one entry and one decision`);
}
