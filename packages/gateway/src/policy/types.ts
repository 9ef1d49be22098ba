import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import type { CatalogTool } from '../catalog/types.ts';

export type Mode = 'enforcing' | 'advisory';

/** What is decided. The same members at both stages; at egress `response` is added. */
export interface DecisionInput {
  caller: Caller;
  tool: CatalogTool;
  /** Parsed arguments, exactly those that would be sent. */
  arguments: JsonObject;
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
  /** Named by the caller only: asserted. */
  workflow: string | null;
  platform: string;
  trustLevel: string;
  response?: { sizeBytes: number; findings: number; class: string; classRank: number };
}

export interface Decision {
  /** Cedar's answer with any evaluation error turned into deny. */
  effect: 'allow' | 'deny' | 'step_up' | 'defer';
  /** Ids of the determining policies, sorted. Empty on default deny. */
  policyIds: string[];
  /** Merged annotations of the determining forbids, later policy id wins (wire-formats section 4). */
  advice: Record<string, string>;
  /** Set when an evaluation error denied; for operators and the entry's rule text, never for callers. */
  error: string | null;
  /** The request does not fit the approved schema of its tool; `error` names the member, never its value. */
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
  /** Gives the engine's memory back. A closed engine denies everything. Idempotent. */
  close(): void;
}
