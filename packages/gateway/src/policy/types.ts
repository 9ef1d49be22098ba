import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { CatalogPrompt, CatalogResource, CatalogServer, CatalogTool } from '../catalog/types.ts';
import type { Channel, Escalation } from '../escalation/types.ts';
import type { FindingKind } from '../inspection/types.ts';
import type { FlowView } from '../session/flow/types.ts';
import type { Redaction } from './redaction.ts';

/** `advisory` and `silent` refuse nothing that policy denies; see `mode.ts`. */
export type Mode = 'enforcing' | 'advisory' | 'silent';

/** Actions of the policy schema besides those of tools, each of which is in `call_tool` (contracts section 7). */
export type OtherAction =
  | 'read_resource'
  | 'subscribe'
  | 'get_prompt'
  | 'complete'
  | 'elicit'
  | 'sample'
  | 'list_roots'
  | 'get_task'
  | 'update_task'
  | 'cancel_task';

/** What is asked for: the action, the entity that it is about, and what is particular to it. */
export type Asked =
  /** `arguments`: parsed, exactly those that would be sent. */
  | { action: 'call_tool'; tool: CatalogTool; arguments: JsonObject }
  | { action: 'read_resource' | 'subscribe'; resource: CatalogResource; uri: string }
  | { action: 'get_prompt'; prompt: CatalogPrompt; arguments: Readonly<Record<string, string>> }
  | { action: 'complete'; of: CatalogPrompt | CatalogResource; argument: { name: string; value: string } }
  | { action: 'get_task' | 'update_task' | 'cancel_task'; tool: CatalogTool }
  /** What a server asks of the user, while it serves `during` (the name of a tool, resource or prompt in the catalog). */
  | {
      action: 'elicit';
      server: CatalogServer;
      during: string;
      mode: 'form' | 'url';
      message: string;
      /** Names of the fields of a form. */
      fields: readonly string[];
      /** Host that a URL leads to; null for a form. */
      host: string | null;
    }
  /** What a server asks of the model. */
  | {
      action: 'sample';
      server: CatalogServer;
      during: string;
      maxTokens: number;
      messages: number;
      /** `none`, `thisServer` or `allServers`. */
      includeContext: string;
      systemPrompt: boolean;
      tools: boolean;
    }
  | { action: 'list_roots'; server: CatalogServer; during: string };

/** What a caller could ask for, without the particulars. */
export type Askable =
  | { action: 'call_tool'; tool: CatalogTool }
  | { action: 'read_resource'; resource: CatalogResource }
  | { action: 'get_prompt'; prompt: CatalogPrompt };

/** Every outcome of a decision. */
export const EFFECTS = ['allow', 'redact', 'deny', 'step_up', 'defer'] as const;
export type Effect = (typeof EFFECTS)[number];

/** What is decided. The same members at both stages; at egress `response` is added. */
export interface DecisionInput {
  /** Of the call that this is about, for records of the decision; no policy sees it. */
  callId?: string;
  caller: Caller;
  asked: Asked;
  session: {
    /** Exposure class before this call. */
    class: string;
    classRank: number;
    /** Highest of exposure, this call's catalog level, its declared class, and calls in flight. */
    maxClass: string;
    maxClassRank: number;
    inFlight: number;
    generation: number;
  };
  /** Where values that this request carries came from; of what a server asks, what the call carried that it asks in. */
  flow: FlowView;
  /** What the request says that it is part of: asserted, and without weight where the caller's credential names one. */
  workflow: string | null;
  /** The manifest that the session is bound to. */
  manifest?: ManifestView;
  platform: string;
  trustLevel: string;
  response?: ResponseView;
  /** What was approved of this request; it is used up by now. */
  approval?: Approved;
}

/** An approval as a decision sees it. */
export interface Approved {
  /** Ids of the forbids that it lifts. They are left out of the decision; all others decide as ever. */
  readonly policies: readonly string[];
  /** Names of the configuration's approvers whose word it is. */
  readonly approvers: readonly string[];
  /** The least of the channels that it came through. */
  readonly channel: Channel;
  /** Each verdict has a signature of its approver's own key. */
  readonly signed: boolean;
}

/** An Agent Manifest as policies see it. */
export interface ManifestView {
  id: string;
  issuer: string;
  /** null: the issuer declared no intent. */
  intentHash: string | null;
}

/** An answer as policies see it. */
export interface ResponseView {
  sizeBytes: number;
  /** How much inspection found. */
  findings: number;
  /** The kinds of what it found, sorted. */
  kinds: readonly FindingKind[];
  /** How many of them are instructions, hidden or not. */
  injection: number;
  class: string;
  classRank: number;
}

export interface Decision {
  /** Cedar's answer with any evaluation error turned into deny. `redact`: allowed, with {@link redactions} applied. */
  effect: Effect;
  /** Ids of the determining policies, sorted. Empty on default deny. */
  policyIds: string[];
  /** Advice of the determining forbids, merged; the later policy wins (wire-formats section 4). */
  advice: Record<string, string>;
  /** What is removed from the answer: all that any determining permit asks for, each once. Empty unless `effect` is `redact`. */
  redactions: readonly Redaction[];
  /** What would let the request through, one for each determining forbid. Empty unless `effect` is `step_up` or `defer` by a native bundle. */
  escalations: readonly Escalation[];
  /** Set when an evaluation error denied; for operators and the entry's rule text, never for callers. */
  error: string | null;
  /**
   * The request does not fit the approved schema of its tool, or what the bundle declares for its action; `error` names the
   * member, never its value.
   */
  unfit: boolean;
}

/** A loaded, validated bundle with a Cedar engine behind it. */
export interface PolicyEngine {
  readonly bundleHash: string;
  readonly version: string;
  /** `native`: contracts section 7. `compat`: the reference's request, wire-formats section 5. */
  readonly request: 'native' | 'compat';
  /**
   * Decides one request. Whatever the engine cannot evaluate is a deny with `error` set.
   *
   * @throws GatewayError ARGUMENTS_REFUSED for argument names that Cedar would read as its own escapes (ATK-13)
   */
  decide(input: DecisionInput): Decision;
  /**
   * Whether any request for this by the caller could be allowed: exact where no condition looks at the context, else in the
   * caller's favour. What is false here is denied whatever the arguments, so lists leave it out.
   */
  couldAllow(caller: Caller, askable: Askable): boolean;
  /** Gives the engine's memory back. A closed engine denies everything. Idempotent. */
  close(): void;
}
