import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { Approved } from '../policy/types.ts';

/** Through whom a request for approval is answered. `operator`: out of band. `user`: the agent's own client, by elicitation. `callback`: a machine (DEFER). */
export const CHANNELS = ['operator', 'user', 'callback'] as const;
export type Channel = (typeof CHANNELS)[number];

/** What a policy that asks for approval asks: one for each determining forbid with `@aarm_decision("step_up")` or `"defer"`. */
export interface Escalation {
  readonly policyId: string;
  readonly effect: 'step_up' | 'defer';
  /** `@approver`: the name, in the configuration, of who has to approve; null: anyone who may approve. */
  readonly approver: string | null;
  /** `@via`: through whom it is answered. */
  readonly via: Channel;
  /** `@hold`, milliseconds: how long the call itself waits before it is refused and may be made again; 0: not at all. */
  readonly holdMs: number;
  /** `@ttl`, milliseconds: how long it may be answered and used. */
  readonly ttlMs: number;
}

/** What an approval is bound to. Strings only, so that it has one canonical form, which approvers sign. */
export type ApprovalBinding = {
  approval_id: string;
  session_id: string;
  /** ownerOf the caller. */
  owner: string;
  subject: string;
  server: string;
  /** Catalog name of the tool, resource or prompt. */
  tool: string;
  definition_digest: string;
  /**
   * Of the call that asked, as its entry has it: over the sorted canonical form of the arguments, salted where digests are. A bare hash of
   * arguments that can be guessed would give them away to whoever reads the chain (contracts section 3); approvers are shown the salt.
   */
  arguments_digest: string;
  policy_hash: string;
  catalog_hash: string;
  /** Sorted, joined by commas. */
  policy_ids: string;
  expires_at: string;
};

/** What approvers are asked. In memory alone: the arguments are nowhere else. */
export interface ApprovalRequest {
  readonly id: string;
  readonly binding: ApprovalBinding;
  readonly caller: Caller;
  readonly escalations: readonly Escalation[];
  readonly arguments: JsonObject;
  /** What the request says of itself, which policy sees too. */
  readonly declared: { readonly data_class: string | null; readonly workflow: string | null };
  /** Of the digest of the arguments, base64url; null: it has none. */
  readonly salt: string | null;
  /** The policy's action, and the server as entries name it. */
  readonly action: string;
  readonly serverIdentity: string;
  /** The call that asked. */
  readonly callId: string;
  /** Exposure generation and class of the subject when it was asked. */
  readonly generation: number;
  readonly requestedMicros: number;
  readonly expiresMicros: number;
}

/** How one was answered. */
export interface Verdict {
  readonly approved: boolean;
  /** Who, as the channel established it. */
  readonly by: string;
  /** Names of the configuration's approvers that `by` counts as; empty for a user, who never satisfies `@approver`. */
  readonly approvers: readonly string[];
  readonly channel: Channel;
  readonly reason: string;
  /** Of the approver's own key over the binding and the verdict; null: none was asked for. */
  readonly signature: { alg: 'EdDSA'; keyId: string; value: string } | null;
}

/** What is asked for, before it has an id. */
export type ApprovalDraft = Omit<ApprovalRequest, 'id' | 'binding'> & { binding: Omit<ApprovalBinding, 'approval_id'> };

/** An approval that was used up by a call. */
export interface Used extends Approved {
  readonly id: string;
}

/** Where requests for approval wait, and what is approved is used up. Deciding and using happen in one turn each. */
export interface ApprovalDesk {
  /**
   * Enters the request in the session's chain and shows it to whoever may answer. The same one again while it is open.
   *
   * @throws GatewayError APPROVAL_REFUSED where the same was refused, OVERLOADED where no more can be kept
   */
  open(request: ApprovalDraft): Promise<ApprovalRequest>;
  /** Enters the verdict, then remembers it. @throws GatewayError INVALID_PARAMS for one that is over, FORBIDDEN for whom it may not come from */
  answer(id: string, verdict: Verdict): Promise<void>;
  /** Resolves once it is answered; null when it expired, was withdrawn, or `signal` aborted, or where too many calls wait already. */
  answered(id: string, signal: AbortSignal): Promise<Verdict | null>;
  /**
   * What was approved of exactly this call: gone in this turn, and entered as used when it resolves. Null: nothing is. `named`: the only
   * one that the caller wants used; null: any.
   */
  use(request: ApprovalDraft, named: string | null): Promise<Used | null>;
}
