import { type JsonObject, stringifyJson } from '@cmcp/evidence';
import type { Decision } from '../policy/types.ts';

/** One decision with all that it was made of. It holds the arguments of the call: it exists sealed or in an operator's hands. */
export interface RecordedDecision {
  callId: string;
  sessionId: string;
  stage: 'ingress' | 'egress';
  timeMicros: number;
  bundleHash: string;
  catalogHash: string;
  /** `redactions`: what is removed from the answer, in its written form. */
  decision: Pick<Decision, 'effect' | 'policyIds' | 'error'> & { redactions: readonly string[] };
  /** What was decided, as scenarios write it. */
  input: JsonObject;
}

/** As it is sealed. */
export function recordText({ decision, ...record }: RecordedDecision): string {
  return stringifyJson({
    call_id: record.callId,
    session_id: record.sessionId,
    stage: record.stage,
    time_us: record.timeMicros,
    bundle_hash: record.bundleHash,
    catalog_hash: record.catalogHash,
    decision: {
      effect: decision.effect,
      policy_ids: decision.policyIds,
      redactions: [...decision.redactions],
      error: decision.error,
    },
    input: record.input,
  });
}

/** The last record of a recording that was closed: how many numbers were given to decisions. */
export function endText(decisions: number): string {
  return stringifyJson({ end: decisions });
}
