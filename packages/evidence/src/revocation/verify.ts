import { type PublicKey, samePublicKey } from '../crypto/key.ts';
import { type Finding, failed, informative, notChecked, proven, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { printable } from '../printable.ts';
import type { Check } from '../report.ts';
import { idsOf } from './key-ids.ts';
import { parseRevocationBundle, type RevocationBundle, type RevocationStatement } from './parse.ts';
import { type RevocationKey, type Signer, signerOf } from './signature.ts';

/** The key that a record is signed with, and where the record stands in a transparency log, where that is known. */
export interface RevocationSubject {
  key: PublicKey;
  kid?: string;
  /** The record's own entry in a log. The caller has verified the log's receipt for it. */
  inclusion?: { logId: string; entryId: string };
}

/** What the relying party brings. Without a bundle no check runs, and the answer says so. */
export interface RevocationGiven {
  bundle?: Uint8Array | string;
  keys?: readonly RevocationKey[];
  /** The verifier's clock, seconds since the epoch. */
  now?: number;
  /** Oldest bundle to rely on, in seconds since it was issued; without it the bundle's own end alone decides. */
  maxBundleAgeSeconds?: number;
}

/**
 * `clear`: an authentic, current bundle does not name the key. `before-revocation`: it does, and the record was logged before.
 * `revoked`: it does. `unverified`: the bundle cannot be relied on. `not-run`: there was none.
 */
export type RevocationOutcome = 'clear' | 'before-revocation' | 'revoked' | 'unverified' | 'not-run';

export interface RevocationResult {
  outcome: RevocationOutcome;
  checks: Check[];
}

const KEY_TITLE = 'Is the key not revoked?';
/** Clocks may differ by this much (wire-formats section 22). */
const FUTURE_SKEW_SECONDS = 300;
/** Digits of an entry id that is a number: more than any log will ever count. */
const NUMBER = /^(?:0|[1-9]\d{0,39})$/;

/**
 * Whether the key of a record is revoked (wire-formats section 13). Total: never throws. What says nothing against the key says
 * something for it only when it is authentic and current; what does say something against it counts from any bundle that is
 * authentic, also an expired one.
 */
export async function verifyRevocation(subject: RevocationSubject, given: RevocationGiven): Promise<RevocationResult> {
  if (given.bundle === undefined) {
    const finding = notChecked('no revocation bundle was given: no check ran', '--revocation-bundle FILE');
    return { outcome: 'not-run', checks: [informative('revocation.key', KEY_TITLE, finding)] };
  }
  try {
    return await againstBundle(subject, parseRevocationBundle(given.bundle), given);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const form = required('revocation.form', 'Has the bundle the form of a revocation bundle?', failed(error.message));
    return { outcome: 'unverified', checks: [form] };
  }
}

async function againstBundle(
  subject: RevocationSubject,
  bundle: RevocationBundle,
  given: RevocationGiven,
): Promise<RevocationResult> {
  // A key cannot vouch for itself: whoever stole it could.
  const keys = (given.keys ?? []).filter(({ key }) => !samePublicKey(key, subject.key));
  const signer = await signerOf(bundle, bundle.bundle_key_id, keys);
  const current = currency(bundle, given);
  const standing = await standingOf(subject, bundle, { keys, authentic: signer.result === 'valid' });
  const { outcome, finding } = conclusion(standing, signer, current);
  return {
    outcome,
    checks: [
      required('revocation.signature', 'Did a key that you trust sign the bundle?', signatureFinding(bundle, signer)),
      required('revocation.current', 'May the bundle still be relied on?', current),
      required('revocation.key', KEY_TITLE, finding),
    ],
  };
}

function signatureFinding({ bundle_key_id }: RevocationBundle, signer: Signer): Finding {
  switch (signer.result) {
    case 'valid':
      return proven('a trusted key signed the bundle', signer.key.source);
    case 'unknown':
      return notChecked(
        `the bundle says that ${printable(bundle_key_id)} signed it, a key that was not given`,
        '--revocation-key FILE',
      );
    case 'unsupported':
      return notChecked('this engine cannot check the signature of the bundle', 'another engine');
    case 'invalid':
      return failed('the signature over the bundle is not valid under the key that it names');
  }
}

/** Whether what the bundle does not say may be relied on: its silence is worth something only for a time. */
function currency(bundle: RevocationBundle, { now, maxBundleAgeSeconds }: RevocationGiven): Finding {
  if (now === undefined) return notChecked('no clock was given, so the bundle may have expired', '--at TIME');
  const against = `the clock given, ${now} s`;
  // Written so that a clock that is not a number does not pass.
  if (!(bundle.issued_at <= now + FUTURE_SKEW_SECONDS)) return notChecked('the bundle was issued in the future');
  if (!(now <= bundle.valid_until)) return notChecked(`the bundle expired at ${bundle.valid_until} s`);
  const age = now - bundle.issued_at;
  if (maxBundleAgeSeconds !== undefined && !(age <= maxBundleAgeSeconds))
    return notChecked(`the bundle is ${age} s old`, `a bundle that is at most ${maxBundleAgeSeconds} s old`);
  return proven(`the bundle may be relied on until ${bundle.valid_until} s`, against);
}

/** What the statements of a bundle say of a key. */
type Standing = { says: 'nothing' | 'before' } | { says: 'revoked'; by: RevocationStatement };

async function standingOf(
  subject: RevocationSubject,
  bundle: RevocationBundle,
  trust: { keys: readonly RevocationKey[]; authentic: boolean },
): Promise<Standing> {
  const ids = idsOf(subject.key, subject.kid);
  let before = false;
  for (const statement of bundle.statements) {
    if (!ids.has(statement.compromised_key_id)) continue;
    const { result } = await signerOf(statement, statement.revocation_key_id, trust.keys);
    if (result !== 'valid' && !trust.authentic) continue;
    // Only the boundary of a statement that a trusted key signed is believed; any other revokes everything.
    if (result !== 'valid' || !loggedBefore(subject, statement)) return { says: 'revoked', by: statement };
    before = true;
  }
  return { says: before ? 'before' : 'nothing' };
}

/** Whether the record's entry is at or before the last valid one, of the same log. Ids that are not numbers have no order. */
function loggedBefore({ inclusion }: RevocationSubject, statement: RevocationStatement): boolean {
  if (inclusion === undefined || inclusion.logId !== statement.log_id) return false;
  const { entryId } = inclusion;
  const last = statement.last_valid_entry_id;
  if (NUMBER.test(entryId) && NUMBER.test(last)) return BigInt(entryId) <= BigInt(last);
  return entryId === last;
}

function conclusion(
  standing: Standing,
  signer: Signer,
  current: Finding,
): { outcome: RevocationOutcome; finding: Finding } {
  if (standing.says === 'revoked') {
    const { last_valid_entry_id, log_id } = standing.by;
    const boundary = `after entry ${printable(last_valid_entry_id)} of ${printable(log_id)}`;
    const detail = `the key was revoked ${boundary}, and the record is not shown to be from before`;
    return { outcome: 'revoked', finding: failed(detail) };
  }
  if (signer.result !== 'valid' || current.outcome !== 'proven') {
    return { outcome: 'unverified', finding: notChecked('the bundle cannot be relied on, so the key may be revoked') };
  }
  const against = signer.key.source;
  return standing.says === 'before'
    ? { outcome: 'before-revocation', finding: proven('the record was logged before the key was revoked', against) }
    : { outcome: 'clear', finding: proven('the bundle does not name the key', against) };
}
