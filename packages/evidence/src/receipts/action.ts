import { digest } from '../crypto/sha256.ts';
import type { TrustedKey } from '../expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, provenUnless, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { jcsSignature } from '../jcs-signature.ts';
import { jcsBytes, readJsonObject } from '../json/document.ts';
import type { JsonObject } from '../json/value.ts';
import type { Check } from '../report.ts';
import { object, type Rule, text, time } from '../shape.ts';
import { parseTimestamp } from '../time.ts';

/** The documents of one action: what was asked for, what a controller signed about it, and what it saw. */
export interface ActionDocuments {
  action: Uint8Array | string;
  receipt?: Uint8Array | string;
  evidence?: Uint8Array | string;
}

/** What the relying party expects of the receipt, from a transcript that it has verified. */
export interface ActionGiven {
  callId: string;
  sessionId: string;
  /** The hash of the receipt before this one. */
  previousReceiptHash: string;
  /** The verifier's clock, seconds since the epoch. */
  now: number;
  maxAgeSeconds: number;
  requireReceipt: boolean;
  /** The keys that issuers are pinned to, by `issuer_key_id`. */
  keys: ReadonlyMap<string, TrustedKey>;
}

/** What the receipt is worth. A valid rejection is a receipt as good as any. `unverified`: its issuer is not known, not found false. */
export type ActionReceiptStatus =
  | 'receipt_valid_accepted'
  | 'receipt_valid_rejected'
  | 'receipt_missing_required'
  | 'receipt_absent'
  | 'receipt_unverified'
  | 'receipt_invalid';

export interface ActionReceiptResult {
  status: ActionReceiptStatus;
  /** The state that the controller reports, `unknown` unless the receipt is valid. */
  controllerOutcome: string;
  /** Codes of the rules that were broken, e.g. `call_id_mismatch`. */
  failures: string[];
  warnings: string[];
  checks: Check[];
}

interface Action extends JsonObject {
  agent_id: string;
  action_type: string;
  action_scope: string;
  action_timestamp: string;
  action_ref: string;
}

interface Receipt extends JsonObject {
  issuer_key_id: string;
  issuer_independence: string;
  linked_call_id: string;
  session_id: string;
  action_ref: string;
  evidence_hash: string;
  previous_receipt_hash: string;
  issued_at: string;
  decision: string;
}

interface Evidence extends JsonObject {
  terminal_state: string;
  physical_completion_claim: string;
}

const ACTION = object({
  agent_id: text(),
  action_type: text(),
  action_scope: text(),
  action_timestamp: text(),
  action_ref: text(),
});
const RECEIPT = object({
  issuer: text(),
  issuer_key_id: text(),
  issuer_independence: text(),
  linked_call_id: text(),
  session_id: text(),
  action_ref: text(),
  evidence_type: text(),
  evidence_hash: text(),
  previous_receipt_hash: text(),
  issued_at: time,
  decision: text(),
  signature: text(),
});
const EVIDENCE = object({ terminal_state: text(), physical_completion_claim: text() }, {}, 'allowed');
const LIMITS = { bytes: 1024 * 1024, depth: 32, items: 20_000 };

/** A rule of the profile: its code, and the question that it answers. */
interface Answer {
  code: string;
  title: string;
  finding: Finding;
}

/**
 * Verifies a receipt of the action receipt profile `trace.action_receipt.conformance.v0`. Total: never throws. The key comes from
 * the pinned ones only, every comparison is exact, and no receipt proves that something physical was completed.
 */
export async function verifyActionReceipt(
  documents: ActionDocuments,
  given: ActionGiven,
): Promise<ActionReceiptResult> {
  const { receipt, evidence } = documents;
  if (receipt === undefined) return withoutReceipt(given);
  try {
    const action = read<Action>(documents.action, ACTION, 'the action');
    const said = read<Receipt>(receipt, RECEIPT, 'the receipt');
    if (evidence === undefined) throw new FormatError('the evidence that the receipt names is missing');
    const seen = read<Evidence>(evidence, EVIDENCE, 'the evidence');
    return conclusion(await answers(action, said, seen, given), said, seen, given);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const finding = failed(error.message);
    return invalid([{ code: 'malformed', title: 'Have the documents their form?', finding }], []);
  }
}

function read<T extends JsonObject>(input: Uint8Array | string, rule: Rule, what: string): T {
  const value = readJsonObject(input, what, LIMITS);
  const problem = rule(value, what);
  if (problem !== null) throw new FormatError(problem);
  return value as T;
}

function withoutReceipt({ requireReceipt }: ActionGiven): ActionReceiptResult {
  const title = 'Is there a receipt?';
  const missing = failed('the action has no receipt', 'a receipt that was demanded');
  const finding = requireReceipt ? missing : notChecked('the action has no receipt, and none was demanded');
  return {
    status: requireReceipt ? 'receipt_missing_required' : 'receipt_absent',
    controllerOutcome: 'unknown',
    failures: requireReceipt ? ['receipt_missing'] : [],
    warnings: [],
    checks: [(requireReceipt ? required : informative)(idOf('receipt_missing'), title, finding)],
  };
}

async function answers(action: Action, receipt: Receipt, evidence: Evidence, given: ActionGiven): Promise<Answer[]> {
  const { agent_id, action_type, action_scope, action_timestamp } = action;
  const preimage = { agent_id, action_type, action_scope, action_timestamp };
  const equal = (code: string, title: string, said: string, expected: string, what: string): Answer => ({
    code,
    title,
    finding: provenUnless(said === expected ? null : `it names another ${what}`, `it names this ${what}`, expected),
  });
  const hashOf = (value: JsonObject, what: string): string => digest(jcsBytes(value, what));
  return [
    equal(
      'action_ref_invalid',
      'Does the reference name the action?',
      action.action_ref,
      hashOf(preimage, 'the action'),
      'action',
    ),
    equal('action_ref_mismatch', 'Is it of this action?', receipt.action_ref, action.action_ref, 'action'),
    equal('call_id_mismatch', 'Is it of this call?', receipt.linked_call_id, given.callId, 'call'),
    equal('session_id_mismatch', 'Is it of this session?', receipt.session_id, given.sessionId, 'session'),
    equal(
      'evidence_hash_mismatch',
      'Is it about this evidence?',
      receipt.evidence_hash,
      hashOf(evidence, 'the evidence'),
      'evidence',
    ),
    {
      code: 'signature_or_key_mismatch',
      title: 'Did a controller that you trust sign it?',
      finding: await signature(receipt, given),
    },
    ...times(receipt, given),
    equal(
      'receipt_chain_gap',
      'Does it follow the receipt before it?',
      receipt.previous_receipt_hash,
      given.previousReceiptHash,
      'predecessor',
    ),
    {
      code: 'unsupported_physical_completion_claim',
      title: 'Does it claim what it can?',
      finding: completion(evidence),
    },
    { code: 'decision_invalid', title: 'Is the decision one that is known?', finding: decision(receipt) },
  ];
}

async function signature(receipt: Receipt, { keys }: ActionGiven): Promise<Finding> {
  const key = keys.get(receipt.issuer_key_id);
  if (key === undefined) return notChecked('the key of the issuer is not among the pinned keys');
  return jcsSignature(receipt, key.x, 'the receipt', key.source);
}

/** Zero tolerance ahead of the clock: who gives it gives that of the moment of the question. */
function times({ issued_at }: Receipt, { now, maxAgeSeconds }: ActionGiven): Answer[] {
  const age = now - (parseTimestamp(issued_at) ?? 0) / 1e6;
  const against = `the clock given, ${now} s`;
  return [
    {
      code: 'receipt_stale',
      title: 'Is it recent?',
      finding: provenUnless(age <= maxAgeSeconds ? null : 'the receipt is too old', 'it is recent', against),
    },
    {
      code: 'receipt_from_future',
      title: 'Was it issued already?',
      finding: provenUnless(age >= 0 ? null : 'the receipt was issued in the future', 'it was', against),
    },
  ];
}

function completion({ physical_completion_claim }: Evidence): Finding {
  if (physical_completion_claim !== 'none')
    return failed('it claims that something physical was completed: no receipt shows that');
  return proven('it does not claim that anything physical was completed');
}

/** An unknown word is neither an acceptance nor a rejection. */
function decision({ decision: said }: Receipt): Finding {
  return said === 'accepted' || said === 'rejected'
    ? proven(`the controller ${said} the action`)
    : failed('the controller neither accepted nor rejected the action');
}

function conclusion(answered: Answer[], receipt: Receipt, evidence: Evidence, given: ActionGiven): ActionReceiptResult {
  const warnings: string[] = [];
  if (receipt.issuer_independence === 'gateway_self_report') warnings.push('issuer_not_independent');
  const unknown = !given.keys.has(receipt.issuer_key_id);
  if (unknown) warnings.push('issuer_key_unknown');
  const result = invalid(answered, warnings);
  if (result.failures.length > 0) return result;
  const open = answered.some(({ finding }) => finding.outcome !== 'proven');
  if (open) return { ...result, status: 'receipt_unverified' };
  const status = receipt.decision === 'accepted' ? 'receipt_valid_accepted' : 'receipt_valid_rejected';
  return { ...result, status, controllerOutcome: evidence.terminal_state };
}

/** The result when something failed; every other is made from it. */
function invalid(answered: readonly Answer[], warnings: string[]): ActionReceiptResult {
  const checks = answered.map(({ code, title, finding }) => required(idOf(code), title, finding));
  if (warnings.includes('issuer_not_independent')) {
    const finding = asserted('no: the gateway itself reports it');
    checks.push(informative(idOf('issuer_not_independent'), 'Is it more than the gateway’s word?', finding));
  }
  const failures = answered.filter(({ finding }) => finding.outcome === 'failed').map(({ code }) => code);
  return { status: 'receipt_invalid', controllerOutcome: 'unknown', failures, warnings, checks };
}

/** The id of a check is the code of what it rules out. */
function idOf(code: string): string {
  return `action-receipt.${code}`;
}
