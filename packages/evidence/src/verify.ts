import { bounds, calls, frame, hashes, links, oneSession, order, sequence } from './audit/chain.ts';
import { type ChainEntry, hasCommitments, readEntries } from './audit/chain-entry.ts';
import { type ChainSupport, type Recovery, readRecoveries, supportOf } from './audit/checkpoints.ts';
import { bundleDigest } from './audit/hash.ts';
import { summarise } from './audit/summary.ts';
import * as agrees from './audit/summary-agrees.ts';
import { commitments } from './claim/commitments.ts';
import { claimNumber, claimSignature, keyNames, nonceBinding, platformSelf, signatureFinding } from './claim/self.ts';
import { age, asksForAge, timesPossible } from './claim/times.ts';
import { readClaim, type WireClaim } from './claim/wire.ts';
import { conclude } from './conclude.ts';
import { verifyEd25519 } from './crypto/ed25519.ts';
import { readEntriesFile } from './entries-file.ts';
import type { Expectations } from './expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, required } from './finding.ts';
import { FormatError } from './format-error.ts';
import type { JsonValue } from './json/value.ts';
import { receiptChecks } from './receipts.ts';
import type { Check, Report } from './report.ts';
import { openSessionDocument, type SessionDocument } from './session-document.ts';
import { approvals, hardware, pinnedKey, pinOf } from './trust.ts';

/** A file that could be read: what all further checks are about. */
interface Readable {
  document: SessionDocument;
  claim: WireClaim;
  entries: ChainEntry[];
  recoveries: Recovery[];
}

/** A claim whose entries are in another file, which is missing or is not the one. */
interface Unaccompanied {
  claim: WireClaim;
  entries: null;
}

/**
 * Verifies a session file offline (contracts sections 2 to 6). Total: any input gives a report, and the same input with the same
 * expectations gives the same report. Reads no clock, no network and no trust anchor but those in `expectations`.
 *
 * @param input a `*.cmcp.json` file, or what {@link combine} made of the reference's claim and bundle
 * @param parts `entries`: the bytes of the file beside it that {@link entriesFileName} names. Read only if it names one
 */
export async function verify(
  input: Uint8Array | string,
  expectations: Expectations,
  parts: { entries?: Uint8Array } = {},
): Promise<Report> {
  const checks: Check[] = [];
  const readable = read(input, parts.entries, checks);
  if (readable === null) return conclude(checks, { claim: null, entries: [] }, expectations);
  const { claim, entries } = readable;
  checks.push(...(await claimChecks(claim)));
  if (entries === null) return conclude(checks, { claim, entries: [] }, expectations);
  checks.push(...(await chainChecks(readable)));
  const support = await supportIn(readable, expectations);
  checks.push(
    required('chain.checkpoints', 'Do signed checkpoints agree with the chain?', support.checkpoints),
    required('chain.extent', 'Up to which entry is the chain proven?', support.extent),
  );
  checks.push(...contentChecks(readable));
  checks.push(...trustChecks(readable, expectations, support));
  return conclude(checks, { claim, entries }, expectations);
}

/** Opens file, claim and entries, each with its own check; null when one of them cannot be read. */
function read(
  input: Uint8Array | string,
  beside: Uint8Array | undefined,
  checks: Check[],
): Readable | Unaccompanied | null {
  const attempt = <T>(id: string, title: string, open: () => T): T | null => {
    try {
      const value = open();
      checks.push(required(id, title, proven('it has')));
      return value;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      checks.push(required(id, title, failed(error.message)));
      return null;
    }
  };
  const document = attempt('file.format', 'Has the file the form of a session file?', () => openSessionDocument(input));
  if (document === null) return null;
  const claim = attempt('claim.schema', 'Has the claim the form of a claim?', () => readClaim(document.claim));
  const values = entriesOf(document, beside, checks);
  if (values === null) return claim === null ? null : { claim, entries: null };
  const entries = attempt('chain.schema', 'Has every entry the form of an entry?', () => readEntries(values));
  if (claim === null || entries === null) return null;
  const recoveries = readRecoveries(entries);
  if (typeof recoveries !== 'string') return { document, claim, entries, recoveries };
  checks.push(required('chain.recovery', 'Is it said clearly what was recovered?', failed(recoveries)));
  return { document, claim, entries, recoveries: [] };
}

/** The entries, which in a long session are in the file beside (contracts section 6); null when that is not here, or another. */
function entriesOf({ entries }: SessionDocument, beside: Uint8Array | undefined, checks: Check[]): JsonValue[] | null {
  if (Array.isArray(entries)) return entries;
  const answer = (finding: Finding): void => {
    checks.push(required('file.entries', 'Are the entries those of the file that is named?', finding));
  };
  if (beside === undefined) {
    const detail = `the entries are in another file, ${entries.name}, and that file is missing`;
    answer(notChecked(detail, `the file ${entries.name}, beside the session file`));
    return null;
  }
  const values = readEntriesFile(entries, beside);
  if (typeof values === 'string') answer(failed(values));
  else answer(proven(`${entries.name} has the digest and the ${entries.entries} entries that the session file names`));
  return typeof values === 'string' ? null : values;
}

async function claimChecks(claim: WireClaim): Promise<Check[]> {
  return [
    required('claim.signature', 'Did the key in the claim sign it?', await claimSignature(claim)),
    required('claim.key_names', 'Do kid and subject follow from the key?', keyNames(claim)),
    required('claim.platform', 'Does the claim describe its platform consistently?', platformSelf(claim)),
    informative('claim.nonce', 'Does the nonce name key and chain?', nonceBinding(claim)),
  ];
}

async function chainChecks(readable: Readable): Promise<Check[]> {
  const { document, claim, entries } = readable;
  const { session_id, audit_chain } = claim.gateway;
  const hashed = hashes(entries);
  const whole =
    hashed.outcome === 'proven' ? await bundleSignature(readable) : notChecked('an entry is not what it was hashed as');
  const number = claimNumber(claim, hasCommitments(entries));
  return [
    informative('claim.number', 'Is its place in the row of claims possible?', number),
    required('bundle.signature', 'Did the key in the claim sign the bundle?', whole),
    required('chain.hashes', 'Does every entry hash to its entry_hash?', hashed),
    required('chain.links', 'Does every entry name its predecessor?', links(entries)),
    required('chain.sequence', 'Are sequence numbers without a gap?', sequence(entries)),
    required('chain.order', 'Does time never run backwards?', order(entries)),
    required('chain.frame', 'Has the session one start and at most one end?', frame(entries)),
    required(
      'chain.session',
      'Is it one session throughout?',
      oneSession(entries, document.bundleSessionId, session_id),
    ),
    required('chain.bounds', 'Is it the chain that the claim names?', bounds(entries, audit_chain)),
    required('chain.calls', 'Has every call exactly one entry?', calls(entries)),
  ];
}

async function bundleSignature({ document, claim, entries }: Readable): Promise<Finding> {
  const message = bundleDigest(entries.map((entry) => entry.raw));
  const result = await verifyEd25519(claim.trace.cnf.jwk.x, document.bundleSignature, message);
  return signatureFinding(result, 'the bundle', 'the key in the claim');
}

function supportIn(
  { document, claim, entries, recoveries }: Readable,
  expectations: Expectations,
): Promise<ChainSupport> {
  const facts = {
    entries,
    sessionId: claim.gateway.session_id,
    claimKey: claim.trace.cnf.jwk.x,
    checkpoints: document.checkpoints,
    recoveries,
  };
  return supportOf(facts, (key) => pinOf(key, expectations.keys ?? []) !== null);
}

/** What the claim says about the session, against the entries. In a recovered session none of it is proven. */
function contentChecks({ claim, entries, recoveries }: Readable): Check[] {
  const ours = hasCommitments(entries);
  const summary = summarise(entries, ours);
  const standing = (finding: Finding): Finding =>
    recoveries.length > 0 && finding.outcome === 'proven'
      ? asserted(`${finding.detail}, in a recovered session`)
      : finding;
  const ask = (id: string, title: string, finding: Finding): Check => required(id, title, standing(finding));
  const sensitivity = standing(agrees.sensitivity(claim, summary));
  return [
    ask('session.commitments', 'Does the claim say what session_start committed to?', commitments(claim, entries)),
    ask('transcript.hash', 'Is the transcript hash the tip of the chain?', agrees.transcriptHash(claim)),
    ask(
      'transcript.calls',
      'Is every line of the transcript what its entry says?',
      agrees.transcriptCalls(claim, summary),
    ),
    ask('summary.counts', 'Are the counters those of the chain?', agrees.counts(claim, summary)),
    ask('summary.tools', 'Are the tools those of the chain?', agrees.tools(claim, summary)),
    informative('summary.sensitivity', 'Is the highest class that of the chain?', sensitivity),
    ask('summary.domains', 'Are the compliance domains those of the chain?', agrees.domains(claim, summary)),
    ask('summary.incidents', 'Are drift and kill switch those of the chain?', agrees.incidents(claim, summary)),
    ask('summary.unconfirmed', 'Does the claim list nothing that no entry confirms?', agrees.unconfirmed(claim, ours)),
  ];
}

function trustChecks(readable: Readable, expectations: Expectations, support: ChainSupport): Check[] {
  const { document, claim, entries, recoveries } = readable;
  const keys = expectations.keys ?? [];
  const olderKeyPinned = recoveries.length > 0 && support.provenLength > 0;
  const bounded = asksForAge(expectations) ? required : informative;
  return [
    required('key.pinned', 'Is the key that signed one that you trust?', pinnedKey(claim, keys, olderKeyPinned)),
    ...hardware(claim, expectations),
    ...approvals(claim, expectations),
    required('times.possible', 'Are the times in the file possible?', timesPossible(claim, entries, expectations)),
    bounded('times.age', 'Is the attestation recent enough?', age(claim, expectations)),
    required('file.read', 'Was all of the file checked?', unreadParts(document)),
    ...receiptChecks(expectations.receipts ?? [], entries, support.provenLength),
    informative('times.true', 'Are the times true?', asserted("they are the gateway's clock")),
    informative(
      'sessions.others',
      'Are these all of the sessions?',
      notChecked('a file shows one session, not that there were no others'),
    ),
  ];
}

function unreadParts({ unread }: SessionDocument): Finding {
  if (unread.length === 0) return proven('the file has nothing that was not checked');
  return notChecked(`nothing was checked in: ${unread.join(', ')}`, `a session file without ${unread.join(', ')}`);
}
