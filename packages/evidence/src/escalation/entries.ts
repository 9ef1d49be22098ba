import type { ChainEntry } from '../audit/chain-entry.ts';
import { FormatError } from '../format-error.ts';
import type { JsonObject } from '../json/value.ts';
import { member } from '../json/value.ts';
import { integer, object, oneOf, type Rule, text } from '../shape.ts';
import { parseTimestamp } from '../time.ts';
import { type ApprovalVerdict, approvalBindingDigest, BINDING } from './statement.ts';

/** Through whom a request for approval is answered. */
export type ApprovalChannel = 'operator' | 'user' | 'callback';

/** What an entry says: that an approval of a call is asked for. */
export interface Request {
  step: 'requested';
  id: string;
  binding: JsonObject;
  bindingDigest: string;
  expiresMicros: number;
  /** Names of whom policies want asked; none: anyone who may approve. */
  approvers: readonly string[];
  channels: readonly string[];
}

/** That somebody answered. */
export interface Answer {
  step: ApprovalVerdict;
  id: string;
  bindingDigest: string;
  channel: ApprovalChannel;
  by: string;
  /** Names that `by` counts as. */
  approvers: readonly string[];
  reason: string;
  assertedBy: 'gateway' | 'client';
  /** How many policies nobody had satisfied yet; null: it does not say. */
  outstanding: number | null;
  signature: { keyId: string; value: string } | null;
}

/** That it was used up, or is over. */
export interface Use {
  step: 'used';
  id: string;
  bindingDigest: string;
  argumentsDigest: string;
}

export interface Expiry {
  step: 'expired';
  id: string;
  bindingDigest: string;
}

export type ApprovalStep = Request | Answer | Use | Expiry;

const NAMES = text(/^(?:[!-+\--~]+(?:,[!-+\--~]+)*)?$/);
const SAID = text(/^[ -~]{0,2048}$/);
const DIGEST = BINDING.arguments_digest as Rule;
const ABOUT = { approval_id: SAID, binding_digest: DIGEST };

const REQUEST = object({ ...BINDING, approvers: NAMES, channels: NAMES }, {}, 'allowed');
const ANSWER = object(
  {
    ...ABOUT,
    channel: oneOf('operator', 'user', 'callback'),
    by: SAID,
    approvers: NAMES,
    asserted_by: oneOf('gateway', 'client'),
  },
  { outstanding: integer(0), reason: SAID, signature_alg: oneOf('EdDSA'), signature_key_id: SAID, signature: SAID },
  'allowed',
);
const USE = object({ ...ABOUT, arguments_digest: DIGEST }, {}, 'allowed');
const EXPIRY = object(ABOUT, {}, 'allowed');

/** Reads an entry of type `approval`. @throws FormatError when it says nothing of the kind */
export function readStep({ raw, detail }: ChainEntry): ApprovalStep {
  const said = detail ?? {};
  switch (member(raw, 'action')) {
    case 'approval_requested':
      return requestIn(kept(REQUEST, said));
    case 'approval_granted':
      return answerIn('granted', kept(ANSWER, said));
    case 'approval_refused':
      return answerIn('refused', kept(ANSWER, said));
    case 'approval_used':
      return { step: 'used', ...aboutIn(kept(USE, said)), argumentsDigest: said.arguments_digest as string };
    case 'approval_expired':
      return { step: 'expired', ...aboutIn(kept(EXPIRY, said)) };
    default:
      throw new FormatError('is of an approval and says nothing known of one');
  }
}

function kept(rule: Rule, said: JsonObject): JsonObject {
  const problem = rule(said, 'detail');
  if (problem !== null) throw new FormatError(`says what no entry of an approval says: ${problem}`);
  return said;
}

function requestIn(said: JsonObject): Request {
  const binding = Object.fromEntries(Object.keys(BINDING).map((name) => [name, said[name] as string]));
  return {
    step: 'requested',
    id: said.approval_id as string,
    binding,
    bindingDigest: approvalBindingDigest(binding),
    expiresMicros: parseTimestamp(said.expires_at as string) ?? 0,
    approvers: namesIn(said.approvers),
    channels: namesIn(said.channels),
  };
}

function answerIn(step: ApprovalVerdict, said: JsonObject): Answer {
  const { outstanding, signature, signature_key_id } = said;
  return {
    step,
    ...aboutIn(said),
    channel: said.channel as ApprovalChannel,
    by: said.by as string,
    approvers: namesIn(said.approvers),
    reason: String(member(said, 'reason') ?? ''),
    assertedBy: said.asserted_by as Answer['assertedBy'],
    outstanding: typeof outstanding === 'number' ? outstanding : null,
    signature: signature === undefined ? null : { keyId: String(signature_key_id), value: String(signature) },
  };
}

const aboutIn = (said: JsonObject): { id: string; bindingDigest: string } => ({
  id: said.approval_id as string,
  bindingDigest: said.binding_digest as string,
});

function namesIn(value: unknown): string[] {
  return typeof value === 'string' && value !== '' ? value.split(',') : [];
}
