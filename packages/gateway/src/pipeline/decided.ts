import { scenarioOf } from '../policy/scenario-of.ts';
import type { Decision, DecisionInput } from '../policy/types.ts';
import type { PathDeps } from './deps.ts';
import type { CallRecord } from './record.ts';

/** What the policy of this call's session says of `input`; recorded where the operator wants that. */
export function decided(
  deps: Pick<PathDeps, 'recorder' | 'clock'>,
  { callId, session }: CallRecord,
  input: DecisionInput,
): Decision {
  const { policy, catalog } = session.authority;
  const decision = policy.decide(input);
  deps.recorder?.take({
    callId,
    sessionId: session.id,
    stage: input.response === undefined ? 'ingress' : 'egress',
    timeMicros: deps.clock.nowMicros(),
    bundleHash: policy.bundleHash,
    catalogHash: catalog.hash,
    decision: { ...decision, redactions: decision.redactions.map(({ text }) => text) },
    input: scenarioOf(input),
  });
  return decision;
}
