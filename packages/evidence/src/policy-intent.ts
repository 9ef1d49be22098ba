import type { Expectations } from './expectations.ts';
import { asserted, type Finding, informative, proven, required } from './finding.ts';
import type { Check } from './report.ts';

/** What the approved policy is worth: being decided by a policy that permits everything says nothing about a call. */
export function intentChecks({ policyIntent, allowPermitAll }: Expectations): Check[] {
  if (policyIntent === undefined) return [];
  const ask = allowPermitAll === true ? informative : required;
  const { decidesOnEgress } = policyIntent;
  const egress = decidesOnEgress
    ? proven('rules look at destinations or answers', '--policy')
    : asserted(
        'no rule looks at where data goes or at what comes back: an answer is released whenever its call was permitted',
      );
  return [
    ask('policy.permit_all', 'Does the policy refuse anything?', refuses(policyIntent)),
    informative('policy.egress', 'Does the policy decide on what leaves and what comes back?', egress),
  ];
}

function refuses({ unconditionalPermits, forbids }: NonNullable<Expectations['policyIntent']>): Finding {
  if (unconditionalPermits.length === 0) return proven('no permit holds for every call', '--policy');
  const named = unconditionalPermits.join(', ');
  // What forbids take back is not worked out here: which calls remain is for somebody to read.
  const rest = forbids ? 'what its forbids leave of that was not worked out' : 'nothing is forbidden';
  return asserted(`${named} permits every call, and ${rest}`, '--allow-permit-all');
}
