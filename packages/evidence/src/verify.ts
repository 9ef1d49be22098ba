import type { ApprovalKind } from './approval/record.ts';
import { approvalChecks } from './approval/session.ts';
import { embeddedBundleHash, embeddedCatalogHash } from './approved/embedded.ts';
import { hasCommitments, textOf } from './audit/chain-entry.ts';
import { ChainPass } from './audit/chain-pass.ts';
import { type ChainSupport, supportOf } from './audit/checkpoints.ts';
import { EntryReader } from './audit/entry-reader.ts';
import { Residue } from './audit/residue.ts';
import * as agrees from './audit/summary-agrees.ts';
import { commitments } from './claim/commitments.ts';
import { exceptionChecks } from './claim/exceptions.ts';
import { rollbackProtection } from './claim/rollback.ts';
import { claimNumber, claimSignature, keyNames, nonceBinding, platformSelf, signatureFinding } from './claim/self.ts';
import { age, asksForAge, timesPossible } from './claim/times.ts';
import { readClaim, type WireClaim } from './claim/wire.ts';
import { conclude } from './conclude.ts';
import { verifyEd25519 } from './crypto/ed25519.ts';
import { PORTABLE_SHA256, type Sha256 } from './crypto/sha256.ts';
import { type FileBytes, readEntriesFile } from './entries-file.ts';
import { escalationChecks } from './escalation/checks.ts';
import type { Expectations } from './expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, required } from './finding.ts';
import { FormatError } from './format-error.ts';
import { EARLIER_ROLE, type EarlierStanding, earlierStanding } from './hardware/session/earlier.ts';
import { type HardwareStanding, hardwareStanding } from './hardware/session/standing.ts';
import { intentChecks } from './policy-intent.ts';
import type { Check, Outcome, Report } from './report.ts';
import { openSessionDocument, type SessionDocument } from './session-document.ts';
import { supplements } from './supplements.ts';
import { approvals, type Governance, gatewayFinding, pinOf, rulesFinding, trustedKey } from './trust.ts';

/** A file that could be read: what all further checks are about. */
interface Readable {
  document: SessionDocument;
  claim: WireClaim;
  chain: ChainPass;
}

/** A claim whose entries are in another file, which is missing or is not the one. */
interface Unaccompanied {
  claim: WireClaim;
  chain: null;
}

/** What a caller hands over beside the session file. */
export interface SessionParts {
  /** The file beside it that {@link entriesFileName} names: its bytes, or their stream, of which little is held at a time. */
  entries?: FileBytes;
  /** A faster SHA-256 than the one that runs everywhere, such as an engine's own. Trusted like this code. */
  sha256?: Sha256;
}

/**
 * Verifies a session file offline (contracts sections 2 to 6). Total: any input gives a report, and the same input with the same
 * expectations gives the same report. Reads no clock, no network and no trust anchor but those in `expectations`.
 *
 * @param input a `*.cmcp.json` file, or what {@link combine} made of the reference's claim and bundle
 * @param parts what the session file does not hold. Read only if it names it
 * @throws what the stream in `parts.entries` throws, and nothing else
 */
export async function verify(
  input: Uint8Array | string,
  expectations: Expectations,
  parts: SessionParts = {},
): Promise<Report> {
  const checks: Check[] = [];
  const readable = await read(input, expectations, parts, checks);
  if (readable === null) return conclude(checks, { claim: null, residue: new Residue() }, expectations);
  const { claim, chain } = readable;
  checks.push(...(await claimChecks(claim)));
  if (chain === null) return conclude(checks, { claim, residue: new Residue() }, expectations);
  checks.push(...(await chainChecks(readable)));
  const earlier = await earlierIn(readable, expectations);
  const support = await supportIn(readable, expectations, earlier);
  checks.push(
    required('chain.checkpoints', 'Do signed checkpoints agree with the chain?', support.checkpoints),
    required('chain.extent', 'Up to which entry is the chain proven?', support.extent),
  );
  checks.push(...contentChecks(readable), ...(await escalations(readable, expectations)));
  checks.push(...(await trustChecks(readable, expectations, support)), ...earlier.checks);
  const flow = chain.flows.with(chain.sum.summary.crossings);
  return conclude(checks, { claim, residue: chain.residue, flow, callers: chain.callers.found }, expectations);
}

/** Opens file, claim and entries, each with its own check; null when one of them cannot be read. */
async function read(
  input: Uint8Array | string,
  expectations: Expectations,
  parts: SessionParts,
  checks: Check[],
): Promise<Readable | Unaccompanied | null> {
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
  const { receipts = [], actions = [] } = expectations;
  const hashing = parts.sha256 ?? PORTABLE_SHA256;
  const { bundleSessionId } = document;
  const chain = claim === null ? null : new ChainPass({ claim, bundleSessionId, receipts, actions, hashing });
  const entries = new EntryReader(chain);
  if (!(await readEntries(document, parts.entries, hashing, entries, checks)))
    return claim === null ? null : { claim, chain: null };
  const length = attempt('chain.schema', 'Has every entry the form of an entry?', () => entries.end());
  if (claim === null || chain === null || length === null) return null;
  const { problem } = chain.recoveries;
  if (problem !== null)
    checks.push(required('chain.recovery', 'Is it said clearly what was recovered?', failed(problem)));
  return { document, claim, chain };
}

/** Reads the entries, which in a long session are in the file beside; false when this is not here, or another. */
async function readEntries(
  { entries }: SessionDocument,
  beside: FileBytes | undefined,
  hashing: Sha256,
  reader: EntryReader,
  checks: Check[],
): Promise<boolean> {
  if (Array.isArray(entries)) {
    for (const value of entries) reader.take(value);
    return true;
  }
  const finding = await readEntriesFile(entries, beside, hashing, (value) => reader.take(value));
  checks.push(required('file.entries', 'Are the entries those of the file that is named?', finding));
  return finding.outcome === 'proven';
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
  const { claim, chain } = readable;
  const hashed = chain.hashes.finding();
  const whole =
    hashed.outcome === 'proven' ? await bundleSignature(readable) : notChecked('an entry is not what it was hashed as');
  const number = claimNumber(claim, hasCommitments(chain.first));
  return [
    informative('claim.number', 'Is its place in the row of claims possible?', number),
    required('bundle.signature', 'Did the key in the claim sign the bundle?', whole),
    required('chain.hashes', 'Does every entry hash to its entry_hash?', hashed),
    required('chain.links', 'Does every entry name its predecessor?', chain.links.finding()),
    required('chain.sequence', 'Are sequence numbers without a gap?', chain.sequence.finding()),
    required('chain.order', 'Does time never run backwards?', chain.order.finding()),
    required('chain.frame', 'Has the session one start and at most one end?', chain.frame.finding()),
    required('chain.session', 'Is it one session throughout?', chain.session.finding()),
    required('chain.bounds', 'Is it the chain that the claim names?', chain.bounds.finding()),
    required('chain.calls', 'Has every call exactly one entry?', chain.calls.finding()),
  ];
}

async function bundleSignature({ document, claim, chain }: Readable): Promise<Finding> {
  const result = await verifyEd25519(claim.trace.cnf.jwk.x, document.bundleSignature, chain.bundle.end());
  return signatureFinding(result, 'the bundle', 'the key in the claim');
}

/** What vouched for the process that the session was recovered from, if it was. */
function earlierIn({ document, claim, chain }: Readable, expectations: Expectations): Promise<EarlierStanding> {
  const { iat } = claim.trace;
  const key = chain.recoveries.all[0]?.oldKey ?? '';
  const { root } = claim.gateway.audit_chain;
  return earlierStanding(document.evidence, key, root, expectations.now ?? iat, expectations);
}

function supportIn(
  { document, claim, chain }: Readable,
  expectations: Expectations,
  earlier: EarlierStanding,
): Promise<ChainSupport> {
  const facts = {
    tips: chain.tips,
    sessionId: claim.gateway.session_id,
    claimKey: claim.trace.cnf.jwk.x,
    checkpoints: document.checkpoints,
    recoveries: chain.recoveries.all,
  };
  const first = chain.recoveries.all[0]?.oldKey;
  const isTrusted = (key: string): boolean =>
    pinOf(key, expectations.keys ?? []) !== null || (earlier.namesKey && key === first);
  return supportOf(facts, isTrusted);
}

/** What the claim says about the session, against the entries. In a recovered session none of it is proven. */
function contentChecks({ claim, chain }: Readable): Check[] {
  const { summary } = chain.sum;
  const standing = (finding: Finding): Finding => standingIn(chain, finding);
  const ask = (id: string, title: string, finding: Finding): Check => required(id, title, standing(finding));
  const sensitivity = standing(agrees.sensitivity(claim, summary));
  return [
    ask('session.commitments', 'Does the claim say what session_start committed to?', commitments(claim, chain.first)),
    ask('transcript.hash', 'Is the transcript hash the tip of the chain?', agrees.transcriptHash(claim)),
    ask(
      'transcript.calls',
      'Is every line of the transcript what its entry says?',
      agrees.transcriptCalls(claim, summary, chain.transcript),
    ),
    ask('summary.counts', 'Are the counters those of the chain?', agrees.counts(claim, summary)),
    ask('summary.tools', 'Are the tools those of the chain?', agrees.tools(claim, summary)),
    informative('summary.sensitivity', 'Is the highest class that of the chain?', sensitivity),
    ask('summary.domains', 'Are the compliance domains those of the chain?', agrees.domains(claim, summary)),
    ask(
      'summary.crossings',
      'Are the crossings between domains those of the chain?',
      agrees.crossings(claim, summary, hasCommitments(chain.first)),
    ),
    ask('summary.incidents', 'Are drift and kill switch those of the chain?', agrees.incidents(claim, summary)),
    ask(
      'summary.unconfirmed',
      'Does the claim list nothing that no entry confirms?',
      agrees.unconfirmed(claim, chain.first),
    ),
  ];
}

/** Who let calls through that policy held back. */
async function escalations({ chain }: Readable, { approvers }: Expectations): Promise<Check[]> {
  const checks = await escalationChecks(chain.approvals, chain.first, approvers);
  return checks.map((check) => ({ ...check, ...standingIn(chain, check) }));
}

/** Of a recovered session nothing that rests on its entries is proven. */
function standingIn<T extends { outcome: Outcome; detail: string }>({ recoveries }: ChainPass, said: T): T {
  if (recoveries.all.length === 0 || said.outcome !== 'proven') return said;
  return { ...said, outcome: 'asserted', detail: `${said.detail}, in a recovered session`, against: null };
}

async function trustChecks(readable: Readable, expectations: Expectations, support: ChainSupport): Promise<Check[]> {
  const { document, claim, chain } = readable;
  const olderKeyPinned = chain.recoveries.all.length > 0 && support.provenLength > 0;
  const level = textOf(chain.first?.detail ?? {}, 'launch_level');
  const standing = await hardwareStanding(claim, document.evidence, expectations, level);
  const { x, kid } = claim.trace.cnf.jwk;
  const signer = { x, kid, software: claim.trace.runtime.platform === 'software-only' };
  const key = trustedKey(signer, expectations.keys ?? [], standing, olderKeyPinned);
  const leastClass = expectations.minEvidenceClass;
  const classed = leastClass === undefined ? informative : required;
  return [
    ...standing.checks,
    required('key.pinned', 'Is the key that signed one that you trust?', key),
    ...approvals(governanceOf(claim), expectations, standing),
    ...exceptionChecks(claim, chain.first, expectations),
    ...rulesCheck(readable, expectations, standing),
    ...gatewayCheck(readable, expectations, standing),
    ...intentChecks(expectations),
    ...(await approvalChecks(chain.first, approvable(claim), expectations.approvals)),
    required('session.authority', 'Was it one policy and one catalog throughout?', chain.authority.finding()),
    classed('calls.evidence_class', 'Are calls tied to their servers?', chain.weakestCall.finding(leastClass)),
    ...timeChecks(readable, expectations),
    ...embeddedChecks(document, claim),
    required(
      'file.read',
      'Was all of the file checked?',
      unreadParts(standing.unread.filter((role) => role !== EARLIER_ROLE)),
    ),
    ...chain.soughtCalls.checks(support.provenLength),
    ...(await supplements(claim, chain, expectations)),
    informative(
      'store.rollback',
      'Would an older copy of the store have been noticed?',
      rollbackProtection(chain.first, standing),
    ),
    informative(
      'sessions.others',
      'Are these all of the sessions?',
      notChecked('a file shows one session, not that there were no others'),
    ),
  ];
}

/** What reviewers approve, as the claim names it. */
function approvable({ trace, gateway }: WireClaim): Record<ApprovalKind, string> {
  return { bundle: trace.policy.bundle_hash, catalog: gateway.catalog.hash };
}

function governanceOf({ trace, gateway }: WireClaim): Governance {
  const { bundle_hash: policyHash, enforcement_mode } = trace.policy;
  const mode = enforcement_mode === 'enforce' ? 'enforcing' : enforcement_mode;
  return { speaker: 'the claim', running: 'the session ran', policyHash, catalogHash: gateway.catalog.hash, mode };
}

function rulesCheck({ chain }: Readable, { rulesHash }: Expectations, standing: HardwareStanding): Check[] {
  if (rulesHash === undefined) return [];
  const finding = rulesFinding(textOf(chain.first?.detail ?? {}, 'rules_hash'), rulesHash, standing);
  return [required('rules.hash', 'Were the inspection rules the expected ones?', finding)];
}

function gatewayCheck({ chain }: Readable, { gatewayMeasurement }: Expectations, standing: HardwareStanding): Check[] {
  if (gatewayMeasurement === undefined) return [];
  const said = textOf(chain.first?.detail ?? {}, 'measurement');
  const finding = gatewayFinding('session_start', said, gatewayMeasurement, standing);
  return [required('gateway.measurement', 'Is it the gateway that was expected?', finding)];
}

function timeChecks({ claim, chain }: Readable, expectations: Expectations): Check[] {
  const bounded = asksForAge(expectations) ? required : informative;
  const possible = timesPossible(claim, chain.lastMicros, expectations);
  return [
    required('times.possible', 'Are the times in the file possible?', possible),
    bounded('times.age', 'Is the attestation recent enough?', age(claim, expectations)),
    informative('times.true', 'Are the times true?', asserted("they are the gateway's clock")),
  ];
}

/** An embedded document is what was committed to, or it is not; it is never what was approved (contracts section 5). */
function embeddedChecks({ embedded }: SessionDocument, claim: WireClaim): Check[] {
  const ask = (name: string, text: string | null, claimed: string, hashOf: (text: string) => string): Check[] =>
    text === null
      ? []
      : [
          informative(
            `file.${name}`,
            `Is the ${name} in the file the one of the session?`,
            same(text, claimed, hashOf),
          ),
        ];
  return [
    ...ask('policy', embedded.policy, claim.trace.policy.bundle_hash, embeddedBundleHash),
    ...ask('catalog', embedded.catalog, claim.gateway.catalog.hash, embeddedCatalogHash),
  ];
}

function same(text: string, claimed: string, hashOf: (text: string) => string): Finding {
  try {
    const found = hashOf(text);
    return found === claimed
      ? proven('it hashes to what the session was opened with', claimed)
      : failed(`it hashes to ${found}, the session was opened with another`, claimed);
  } catch (error) {
    if (error instanceof FormatError) return failed(error.message);
    throw error;
  }
}

function unreadParts(unread: readonly string[]): Finding {
  if (unread.length === 0) return proven('the file has nothing that was not checked');
  const named = unread.map((role) => `evidence ${role}`).join(', ');
  return notChecked(`nothing was checked in: ${named}`, `a session file without ${named}`);
}
