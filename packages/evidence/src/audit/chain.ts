import type { Sha256 } from '../crypto/sha256.ts';
import { type Finding, failed, proven, provenUnless } from '../finding.ts';
import { isCall } from './chain-entry.ts';
import { IdSet } from './id-set.ts';
import { everyEntry, type Observer } from './observer.ts';
import { GENESIS } from './tips.ts';

/** Whether each entry hashes to its `entry_hash`, over exactly the members it has. */
export function hashes(hashing: Sha256): Observer {
  return everyEntry(
    ({ form, hash }, at) =>
      hashing.hex(form.withoutHash) === hash ? null : `entry ${at} does not hash to its entry_hash`,
    (length) => `all ${length} entries hash to their entry_hash`,
  );
}

/** Whether each entry names its predecessor, from genesis on. */
export function links(): Observer {
  let previous = GENESIS;
  return everyEntry(
    (entry, at) => {
      const linked = entry.previousHash === previous;
      previous = entry.hash;
      return linked ? null : `entry ${at} does not link to the entry before it`;
    },
    () => 'every entry links to the one before it, the first to genesis',
  );
}

/** Whether sequence numbers count 0, 1, 2, … and no entry id appears twice. */
export function sequence(): Observer {
  const ids = new IdSet();
  let length = 0;
  let wrong: string | null = null;
  return {
    see(entry, at) {
      length++;
      ids.add(entry.id);
      if (entry.sequence !== at) wrong ??= `entry ${at} has the sequence number ${entry.sequence}`;
    },
    finding() {
      const repeated = ids.size < length ? 'two entries have the same entry_id' : null;
      return provenUnless(wrong ?? repeated, 'sequence numbers have no gap, ids no repeat');
    },
  };
}

/** Whether time never runs backwards. */
export function order(): Observer {
  let latest = 0;
  return everyEntry(
    (entry, at) => {
      const early = entry.micros < latest;
      latest = entry.micros;
      return early ? `entry ${at} is earlier than the entry before it` : null;
    },
    () => 'no entry is earlier than the one before it',
  );
}

/** Whether the chain has one start, at its start, and at most one end, at its end. */
export function frame(): Observer {
  let length = 0;
  let started = false;
  let again: number | null = null;
  let end: number | null = null;
  return {
    see(entry, at) {
      length++;
      if (entry.type === 'session_end') end ??= at;
      if (entry.type !== 'session_start') return;
      if (at === 0) started = true;
      else again ??= at;
    },
    finding() {
      if (!started) return failed('the first entry is not session_start');
      if (again !== null) return failed(`entry ${again} is a second session_start`);
      if (end === null) return proven('one session_start, first; the session was still open');
      if (end < length - 1) return failed(`entry ${end} ends the session, and entries follow it`);
      return proven('one session_start, first; one session_end, last');
    },
  };
}

/** Whether all entries, the bundle and the claim speak of one session. */
export function oneSession(bundleSessionId: string, claimSessionId: string): Observer {
  const entries = everyEntry(
    (entry, at) => (entry.sessionId === claimSessionId ? null : `entry ${at} belongs to another session`),
    () => 'entries, bundle and claim name one session',
  );
  const finding = (): Finding =>
    bundleSessionId === claimSessionId ? entries.finding() : failed('the bundle and the claim name different sessions');
  return { see: entries.see, finding };
}

/** Whether the chain is the one that the claim names. */
export function bounds(claimed: { root: string; tip: string; length: number }): Observer {
  let root: string | null = null;
  let tip: string | null = null;
  let length = 0;
  return {
    see(entry) {
      root ??= entry.hash;
      tip = entry.hash;
      length++;
    },
    finding() {
      if (root !== claimed.root) return failed('the first entry is not the chain root of the claim');
      if (tip !== claimed.tip) return failed('the last entry is not the chain tip of the claim');
      if (length !== claimed.length)
        return failed(`the claim names ${claimed.length} entries, the bundle has ${length}`);
      return proven('root, tip and length are those of the claim');
    },
  };
}

/** Whether every call has an id, a tool and a decision, and exactly one entry (defect W-09). */
export function calls(): Observer {
  const ended = new IdSet();
  return everyEntry(
    (entry, at) => {
      if (!isCall(entry)) return null;
      if (entry.callId === null || entry.toolName === null) return `entry ${at} ends a call that it does not name`;
      if (!ended.add(entry.callId)) return `entry ${at} ends a call that an earlier entry ended`;
      if (entry.decision === null || entry.decision === 'n/a') return `entry ${at} ends a call without a decision`;
      return null;
    },
    () => `${ended.size} calls, each with one entry and one decision`,
  );
}
