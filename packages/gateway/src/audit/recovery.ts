import { type AuditEntry, type Checkpoint, entryHash, JsonError, type JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { type Continuation, GENESIS } from './chain.ts';
import { checkpointSigned, isDigest } from './signer.ts';

/*
 * What may be said of a session whose holder is gone. Everything in the store could have been rewritten in the meantime;
 * only what the dead process signed could not. So:
 *
 * - Entries up to the last checkpoint that is signed and agrees with them are what the old key covered.
 * - Entries behind it are kept and counted: the successor asserts them, nothing proves them.
 * - A store that contradicts itself (a broken link, a signed checkpoint that says otherwise, two keys in one process's work)
 *   is not repaired. The stored entries stay as they are, the contradicting checkpoint travels in the session file, the
 *   `recovered` entry names the damage, and it is linked to what the old key signed, not to what the store now holds. A
 *   verifier that recomputes the chain must refuse such a file.
 *
 * Whoever can write the store can also delete a tail together with its checkpoints, or make a whole session with a key of
 * their own. Evidence for the old key, callers' receipts or an outside witness show that; a store cannot.
 */

export interface Examination {
  /** The last checkpoint that is signed and agrees with the stored entries. */
  covering: Checkpoint | null;
  /** Printable ASCII; null when nothing contradicts. */
  damage: string | null;
  /** Where the successor's first entry is linked. */
  next: Continuation;
}

/**
 * Verifies the stored chain of one open session: hashes, links, sequence, and the checkpoints' signatures.
 *
 * @throws GatewayError STORE_INVALID when a row is not an entry at all
 */
export function examine(
  sessionId: string,
  entries: readonly AuditEntry[],
  checkpoints: readonly Checkpoint[],
): Examination {
  const intact = intactLength(sessionId, entries);
  const signed = signedCheckpoints(sessionId, entries, checkpoints, intact);
  const contradiction = longest(signed.contradicting);
  const damage = damageOf(entries, intact, signed, contradiction);
  const covering = signed.keys > 1 ? null : longest(signed.agreeing);
  const tip = entries.at(-1)?.entry_hash ?? GENESIS;
  if (damage === null || contradiction === null) {
    return { covering, damage, next: { sequence: entries.length, previous: tip } };
  }
  const sequence = Math.max(entries.length, contradiction.length);
  return { covering, damage, next: { sequence, previous: contradiction.tip } };
}

function damageOf(
  entries: readonly AuditEntry[],
  intact: number,
  signed: SignedCheckpoints,
  contradiction: Checkpoint | null,
): string | null {
  if (entries.length === 0) return 'the store has no entry of this session';
  if (intact < entries.length) return `stored entry ${intact} does not continue the chain`;
  if (contradiction !== null) {
    return `a signed checkpoint says that the chain had ${contradiction.length} entries and another tip`;
  }
  return signed.keys > 1 ? 'checkpoints of more than one key' : null;
}

/** How many entries, from the first, form a chain. */
function intactLength(sessionId: string, entries: readonly AuditEntry[]): number {
  for (const entry of entries) {
    if (!isDigest(entry.entry_hash))
      throw new GatewayError('STORE_INVALID', `session ${sessionId}: a row is not an entry`);
  }
  let previous = GENESIS;
  for (const [index, entry] of entries.entries()) {
    const whole =
      entry.sequence_number === index &&
      entry.session_id === sessionId &&
      entry.prev_entry_hash === previous &&
      (entry.entry_type === 'session_start') === (index === 0) &&
      entry.entry_type !== 'session_end' &&
      storedHash(entry) === entry.entry_hash;
    if (!whole) return index;
    previous = entry.entry_hash;
  }
  return entries.length;
}

function storedHash(entry: JsonObject): string {
  try {
    return entryHash(entry);
  } catch (error) {
    if (error instanceof JsonError)
      throw new GatewayError('STORE_INVALID', `an entry cannot be hashed: ${error.message}`);
    throw error;
  }
}

interface SignedCheckpoints {
  /** Per key, the longest that is signed and agrees with the entries. */
  agreeing: Checkpoint[];
  /** Per key, the longest that is signed and does not. */
  contradicting: Checkpoint[];
  /** Number of keys with a valid signature. */
  keys: number;
}

/**
 * The checkpoints that matter, per key. One agrees when it ends within the first `intact` entries on the tip that it names.
 * Walks from the longest down and verifies no more signatures than it must.
 */
export function signedCheckpoints(
  sessionId: string,
  entries: readonly AuditEntry[],
  checkpoints: readonly Checkpoint[],
  intact: number,
): SignedCheckpoints {
  const found: SignedCheckpoints = { agreeing: [], contradicting: [], keys: 0 };
  const own = checkpoints.filter((checkpoint) => checkpoint.session_id === sessionId);
  for (const ofKey of Map.groupBy(own, (checkpoint) => checkpoint.key).values()) {
    const agrees = (checkpoint: Checkpoint): boolean =>
      checkpoint.length <= intact && entries[checkpoint.length - 1]?.entry_hash === checkpoint.tip;
    const ordered = ofKey.toSorted((a, b) => b.length - a.length);
    const agreeing = ordered.find((checkpoint) => agrees(checkpoint) && checkpointSigned(checkpoint));
    const contradicting = ordered.find((checkpoint) => !agrees(checkpoint) && checkpointSigned(checkpoint));
    if (agreeing !== undefined) found.agreeing.push(agreeing);
    if (contradicting !== undefined) found.contradicting.push(contradicting);
    if (agreeing !== undefined || contradicting !== undefined) found.keys += 1;
  }
  return found;
}

function longest(checkpoints: readonly Checkpoint[]): Checkpoint | null {
  return checkpoints.reduce<Checkpoint | null>(
    (best, next) => (best === null || next.length > best.length ? next : best),
    null,
  );
}

/** `detail` of the recovered entry (contracts section 2). Length 0, `genesis` and `none` when no checkpoint covers anything. */
export function recoveredDetail(found: Examination, entries: number): JsonObject {
  const covered = found.covering?.length ?? 0;
  return {
    checkpoint_length: covered,
    checkpoint_tip: found.covering?.tip ?? GENESIS,
    checkpoint_key: found.covering?.key ?? 'none',
    entries_recovered: entries - covered,
    ...(found.damage === null ? {} : { damage: found.damage }),
  };
}
