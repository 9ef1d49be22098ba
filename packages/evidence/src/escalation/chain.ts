import { type ChainEntry, isCall, textOf } from '../audit/chain-entry.ts';
import type { Observer } from '../audit/observer.ts';
import type { WireClaim } from '../claim/wire.ts';
import { type Finding, proven, provenUnless } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { printable } from '../printable.ts';
import { type Answer, type ApprovalStep, type Expiry, type Request, readStep, type Use } from './entries.ts';

/** An answer of the last moment is stamped when it is written. */
const WRITING_MICROS = 5_000_000;

/** One request for approval, and what became of it. Places of entries are from 0. */
export interface Approval {
  request: Request;
  at: number;
  tool: string | null;
  server: string | null;
  granted: { answer: Answer; at: number }[];
  /** Nothing more may come of it. */
  over: 'refused' | 'expired' | 'used' | null;
  usedAt: number | null;
  usedBy: string | null;
}

/**
 * The approvals of a chain: asked for, then granted, in time, then used once, by a call of the tool and with the arguments that were
 * asked about; and no call that says it was let through by another (G26, AISVS-9.2.8).
 */
export class ApprovalChain implements Observer {
  readonly #claim: WireClaim;
  readonly #all = new Map<string, Approval>();
  /** Approvals that were used and whose call has not ended, by call. */
  readonly #pending = new Map<string, Approval[]>();
  #problem: string | null = null;
  #seen = false;
  #ended = false;
  #recovered = false;

  constructor(claim: WireClaim) {
    this.#claim = claim;
  }

  see(entry: ChainEntry, at: number): void {
    if (entry.type === 'session_end') this.#ended = true;
    if (entry.type === 'recovered') this.#recovered = true;
    if (this.#problem !== null) return;
    const problem = entry.type === 'approval' ? this.#stepProblem(entry, at) : this.#callProblem(entry);
    if (problem !== null) this.#problem = `entry ${at} ${problem}`;
  }

  /** Whether there is anything to say of approvals. */
  get seen(): boolean {
    return this.#seen;
  }

  get approvals(): readonly Approval[] {
    return [...this.#all.values()];
  }

  finding(): Finding {
    if (this.#problem !== null) return provenUnless(this.#problem, '');
    const [left] = this.#ended && !this.#recovered ? this.#pending.keys() : [];
    if (left !== undefined)
      return provenUnless(`call ${printable(left)} used an approval, and no entry says what came of it`, '');
    const all = this.approvals;
    if (all.length === 0) return proven('no call was held back for an approval');
    const count = (over: Approval['over']): number => all.filter((approval) => approval.over === over).length;
    return proven(
      `${all.length} asked for: ${count('used')} used once each, by the call that was asked about; ${count('refused')} refused, ${count('expired')} expired, ${count(null)} left open`,
    );
  }

  #stepProblem(entry: ChainEntry, at: number): string | null {
    this.#seen = true;
    try {
      const step = readStep(entry);
      return step.step === 'requested' ? this.#request(step, entry, at) : this.#follow(step, entry, at);
    } catch (error) {
      if (error instanceof FormatError) return error.message;
      throw error;
    }
  }

  #request(request: Request, entry: ChainEntry, at: number): string | null {
    const { binding, id } = request;
    if (this.#all.has(id)) return `asks for the approval ${printable(id)} again`;
    if (binding.session_id !== entry.sessionId) return 'asks for an approval in another session';
    if (binding.tool !== entry.toolName) return 'asks for an approval of another tool than it is of';
    const { trace, gateway } = this.#claim;
    if (binding.policy_hash !== trace.policy.bundle_hash || binding.catalog_hash !== gateway.catalog.hash)
      return 'asks for an approval under another policy or catalog';
    const { toolName: tool, server } = entry;
    this.#all.set(id, { request, at, tool, server, granted: [], over: null, usedAt: null, usedBy: null });
    return null;
  }

  #follow(step: Exclude<ApprovalStep, Request>, entry: ChainEntry, at: number): string | null {
    const approval = this.#all.get(step.id);
    if (approval === undefined) return `is of the approval ${printable(step.id)}, which no earlier entry asks for`;
    if (step.bindingDigest !== approval.request.bindingDigest) return 'is bound to something else than was asked for';
    if (approval.over !== null) return `is of an approval that was ${approval.over} before`;
    if (step.step === 'expired') return this.#expire(step, approval);
    if (entry.micros > approval.request.expiresMicros + WRITING_MICROS) return 'comes after the approval expired';
    return step.step === 'used' ? this.#use(step, approval, entry, at) : this.#answer(step, approval, at);
  }

  #expire(_: Expiry, approval: Approval): null {
    approval.over = 'expired';
    return null;
  }

  #answer(answer: Answer, approval: Approval, at: number): string | null {
    const { channel, assertedBy, approvers } = answer;
    if ((channel === 'user') !== (assertedBy === 'client')) return 'does not say whose word the answer is';
    // The agent's own client speaks for nobody but itself.
    if (channel === 'user' && approvers.length > 0) return 'counts the word of a client as that of an approver';
    if (!approval.request.channels.includes(channel)) return `answers through ${channel}, which was not asked`;
    if (answer.step === 'refused') approval.over = 'refused';
    else approval.granted.push({ answer, at });
    return null;
  }

  #use(use: Use, approval: Approval, { callId, toolName, server }: ChainEntry, at: number): string | null {
    const { request, granted } = approval;
    if (callId === null) return 'uses an approval for no call';
    if (granted.length === 0) return 'uses an approval that nobody granted';
    if ((granted.at(-1)?.answer.outstanding ?? 0) > 0) return 'uses an approval that was granted in part';
    const given = new Set(granted.flatMap(({ answer }) => answer.approvers));
    const lacking = request.approvers.find((name) => !given.has(name));
    if (lacking !== undefined) return `uses an approval that ${lacking} did not grant`;
    if (toolName !== approval.tool || server !== approval.server) return 'uses an approval for another tool';
    if (use.argumentsDigest !== request.binding.arguments_digest) return 'uses an approval with other arguments';
    Object.assign(approval, { over: 'used', usedAt: at, usedBy: callId });
    this.#pending.set(callId, [...(this.#pending.get(callId) ?? []), approval]);
    return null;
  }

  /** The end of a call, which names the approvals that let it through. */
  #callProblem(entry: ChainEntry): string | null {
    if (!isCall(entry) && entry.type !== 'mcp_request') return null;
    const named = (entry.detail === null ? null : textOf(entry.detail, 'approval_id')) ?? '';
    if (named === '' && (entry.callId === null || !this.#pending.has(entry.callId))) return null;
    this.#seen = true;
    const used = this.#pending.get(entry.callId ?? '') ?? [];
    this.#pending.delete(entry.callId ?? '');
    const other = used.find(({ tool, server }) => tool !== entry.toolName || server !== entry.server);
    if (other !== undefined) return 'is of another tool than the approval that it used';
    if (used.some(({ request }) => isOfOtherArguments(entry, request.binding)))
      return 'is of other arguments than the approval that it used';
    const ids = used.map(({ request }) => request.id).sort();
    if (named.split(',').sort().join() === ids.join()) return null;
    return named === ''
      ? 'does not say that an approval let it through, which it used'
      : 'says that an approval let it through, which it did not use';
  }
}

/**
 * The entry of a call has a digest of its own arguments, which says more than that of the use, written from what was asked. Where digests
 * are salted each is over another salt, and two calls cannot be compared.
 */
function isOfOtherArguments({ raw }: ChainEntry, binding: Request['binding']): boolean {
  return textOf(raw, 'digest_salt_ref') === null && textOf(raw, 'request_payload_hash') !== binding.arguments_digest;
}
