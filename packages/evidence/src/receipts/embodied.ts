import { encodeHex } from '../bytes/hex.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import type { WireClaim } from '../claim/wire.ts';
import { hash } from '../crypto/sha2.ts';
import { digest } from '../crypto/sha256.ts';
import type { TrustedKey } from '../expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, provenUnless, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { canonicalSorted } from '../json/canonical.ts';
import { isObject, type JsonObject, member } from '../json/value.ts';
import type { Check } from '../report.ts';
import { parseTimestamp } from '../time.ts';
import { type ControllerReceipt, type EmbodiedPayload, parseEmbodiedPayload } from './embodied-payload.ts';
import { keysById, standingOf } from './external.ts';

/**
 * What is known of the controller's answer. `accepted` and `rejected` are answers that count: a rejection is no failure of the
 * evidence. `untrusted`: no key that is trusted vouches for it.
 */
export type ReceiptState = 'absent' | 'untrusted' | 'invalid' | 'stale' | 'accepted' | 'rejected';

/** What the relying party brings. */
export interface EmbodiedGiven {
  /** The claim of the session of the entry, where it is verified too. */
  claim?: WireClaim;
  /** Keys of controllers that are trusted. */
  keys?: readonly TrustedKey[];
  requireReceipt?: boolean;
  /** Seconds since the epoch, and the greatest age of the hand-over. Without both its age is not judged. */
  now?: number;
  maxAgeSeconds?: number;
}

export interface EmbodiedResult {
  state: ReceiptState;
  checks: Check[];
}

/** How far a clock may be ahead of the verifier's (wire-formats section 22). */
const FUTURE_SKEW_SECONDS = 300;

/**
 * Verifies the detached payload of an embodied action against the audit entry that carries its hash (wire-formats section 14.2).
 * Total: never throws.
 *
 * @param entry the audit entry, of a chain that was verified
 */
export async function verifyEmbodiedAction(
  entry: JsonObject,
  payload: Uint8Array | string,
  given: EmbodiedGiven,
): Promise<EmbodiedResult> {
  const evidence = member(entry, 'external_execution_evidence');
  if (!isObject(evidence)) return unreadable('embodied.evidence', 'the entry carries no receipt');
  let read: EmbodiedPayload;
  try {
    read = parseEmbodiedPayload(payload);
  } catch (error) {
    if (error instanceof FormatError) return unreadable('embodied.form', error.message);
    throw error;
  }
  const receipt = isObject(member(read, 'receipt')) ? (read.receipt as ControllerReceipt) : null;
  const issuer = await issuerFinding(entry, evidence, given.keys ?? []);
  const age = ageFinding(read, given);
  const checks = [
    ...bindingChecks(entry, evidence, read),
    ...claimChecks(read, given.claim),
    ...receiptChecks(read, receipt, evidence, given.requireReceipt === true),
    required('embodied.issuer', 'Did a controller that you trust vouch for it?', issuer),
    (given.maxAgeSeconds === undefined ? informative : required)('embodied.age', 'Is it recent?', age),
  ];
  return { state: stateOf(receipt, checks), checks };
}

function unreadable(id: string, problem: string): EmbodiedResult {
  const check = required(id, 'Is there evidence of an embodied action?', failed(problem));
  return { state: 'invalid', checks: [check] };
}

/** The last of what went wrong decides: an answer that is stale is still an answer, one that is not bound is none. */
function stateOf(receipt: ControllerReceipt | null, checks: readonly Check[]): ReceiptState {
  if (receipt === null) return 'absent';
  const outcome = (id: string) => checks.find((check) => check.id === id)?.outcome;
  if (checks.some((check) => check.outcome === 'failed' && check.id !== 'embodied.age')) return 'invalid';
  if (outcome('embodied.issuer') !== 'proven') return 'untrusted';
  return outcome('embodied.age') === 'failed' ? 'stale' : receipt.verdict;
}

/** What binds the payload to the entry. */
function bindingChecks(entry: JsonObject, evidence: JsonObject, payload: EmbodiedPayload): Check[] {
  const callId = member(entry, 'call_id');
  const decision = member(entry, 'policy_decision') ?? null;
  const { agent_id, action_type, action_scope, action_timestamp } = payload;
  const reference = digest(canonicalSorted({ agent_id, action_type, action_scope, action_timestamp }));
  const ask = (id: string, title: string, holds: boolean, problem: string): Check =>
    required(id, title, provenUnless(holds ? null : problem, 'yes', 'the audit entry'));
  return [
    ask(
      'embodied.call',
      'Is the payload of the call of the entry?',
      payload.call_id === callId,
      'the payload is of another call',
    ),
    ask(
      'embodied.linked_call',
      'Is the receipt of the call of the entry?',
      member(evidence, 'linked_call_id') === callId,
      'the receipt is of another call',
    ),
    ask(
      'embodied.hash',
      'Is it the payload that the receipt names?',
      hashes(payload, member(evidence, 'evidence_hash')),
      'the hash in the receipt is not that of the payload',
    ),
    ask(
      'embodied.action_ref',
      'Does the reference name this action?',
      payload.action_ref === reference,
      'action_ref is not the hash of the action',
    ),
    ask(
      'embodied.decision',
      'Is the decision that of the entry?',
      decision === null || payload.governance_decision === decision,
      'the payload says another decision than the entry',
    ),
  ];
}

function hashes(payload: EmbodiedPayload, said: unknown): boolean {
  const form = encodeUtf8(canonicalSorted(payload));
  return said === `sha256:${encodeHex(hash('sha256', form))}` || said === `sha384:${encodeHex(hash('sha384', form))}`;
}

/** What binds it to the claim: under which policy and catalog, and for whom. */
function claimChecks(payload: EmbodiedPayload, claim: WireClaim | undefined): Check[] {
  if (claim === undefined) {
    const finding = notChecked('no claim was given to compare with');
    return [informative('embodied.claim', 'Does it agree with the claim?', finding)];
  }
  const against = 'the claim';
  const agent = claim.gateway.agent_identity?.agent_id;
  return [
    required(
      'embodied.policy',
      'Was it under the policy of the claim?',
      same(payload.policy_bundle_hash, claim.trace.policy.bundle_hash, 'policy', against),
    ),
    required(
      'embodied.catalog',
      'Was it under the catalog of the claim?',
      same(payload.tool_catalog_hash, claim.gateway.catalog.hash, 'catalog', against),
    ),
    agent !== undefined
      ? required(
          'embodied.agent',
          'Was it for the agent of the claim?',
          same(payload.agent_id, agent, 'agent', against),
        )
      : informative('embodied.agent', 'Was it for the agent of the claim?', notChecked('the claim names no agent')),
  ];
}

function same(said: string, expected: string, what: string, against: string): Finding {
  return provenUnless(said === expected ? null : `the payload names another ${what}`, `it names this ${what}`, against);
}

function receiptChecks(
  payload: EmbodiedPayload,
  receipt: ControllerReceipt | null,
  evidence: JsonObject,
  demanded: boolean,
): Check[] {
  const title = 'Did the controller answer?';
  if (receipt === null) {
    const detail = 'the payload holds no answer of the controller';
    return [
      demanded
        ? required('embodied.receipt', title, failed(detail, 'an answer that was demanded'))
        : informative('embodied.receipt', title, notChecked(detail)),
    ];
  }
  return [
    required('embodied.receipt', title, answer(receipt, evidence)),
    required('embodied.receipt_binding', 'Is the answer about this action?', bound(payload, receipt)),
    required('embodied.completion', 'Does the answer claim no more than it can?', completion(receipt)),
    informative('embodied.independence', 'Is it more than the gateway’s word?', independence(receipt)),
  ];
}

function answer({ receipt_type, verdict }: ControllerReceipt, evidence: JsonObject): Finding {
  const typed = receipt_type === member(evidence, 'evidence_type');
  return provenUnless(typed ? null : 'the answer is of another type than the receipt', `the controller ${verdict} it`);
}

/** What the answer repeats of the action must be what the payload says of it; of a goal it can repeat only where there is one. */
function bound(payload: EmbodiedPayload, receipt: ControllerReceipt): Finding {
  const ros2 = member(payload, 'ros2');
  const goal = isObject(ros2) ? ros2 : receipt;
  const pairs: [string, JsonObject][] = [
    ['call_id', payload],
    ['action_ref', payload],
    ['goal_uuid', goal],
    ['goal_preimage_hash', goal],
  ];
  const wrong = pairs.find(([key, source]) => {
    const said = member(receipt, key);
    const actual = member(source, key);
    return said !== undefined && said !== actual;
  });
  return provenUnless(wrong === undefined ? null : `the answer names another ${wrong[0]}`, 'it names nothing else');
}

function completion(receipt: ControllerReceipt): Finding {
  const said = member(receipt, 'physical_completion_claim') ?? 'none';
  if (said !== 'none') return failed('the answer claims that something physical was completed: no receipt shows that');
  return proven('it does not claim that anything physical was completed');
}

function independence(receipt: ControllerReceipt): Finding {
  return member(receipt, 'issuer_independence') === 'gateway_self_report'
    ? asserted('no: the gateway itself reports it')
    : asserted('who runs the controller is not known');
}

async function issuerFinding(entry: JsonObject, receipt: JsonObject, keys: readonly TrustedKey[]): Promise<Finding> {
  const callId = member(entry, 'call_id');
  const standing = await standingOf({ callId: typeof callId === 'string' ? callId : null, receipt }, keysById(keys));
  if (standing.is === 'genuine') return proven('a trusted controller signed the receipt', standing.issuer.source);
  const unchecked = standing.is === 'unknown-issuer' || standing.is === 'unsupported';
  return unchecked ? notChecked(standing.problem, '--controller-key FILE') : failed(standing.problem);
}

function ageFinding({ handoff_timestamp }: EmbodiedPayload, { now, maxAgeSeconds }: EmbodiedGiven): Finding {
  if (now === undefined || maxAgeSeconds === undefined) return notChecked('no clock and no greatest age were given');
  const age = Math.floor(now - (parseTimestamp(handoff_timestamp) ?? 0) / 1e6);
  const against = `at most ${maxAgeSeconds} s before ${now} s`;
  return age >= -FUTURE_SKEW_SECONDS && age <= maxAgeSeconds
    ? proven(`the action was handed over ${Math.max(0, age)} s ago`, against)
    : failed('the action was handed over at another time than was asked for', against);
}
