import { type Expectations, sameDigest } from '../expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, provenUnless, required } from '../finding.ts';
import type { Check } from '../report.ts';
import type { TrustRecord } from './parse.ts';

/**
 * What hardware stands behind the record. None is shown by the record itself, whatever platform it names, so who relies on the
 * trusted key alone must say so.
 */
export function hardware({ runtime }: TrustRecord, { acceptSoftware, measurement }: Expectations): Check[] {
  const ask = acceptSoftware === true ? informative : required;
  const askMeasurement = measurement === undefined ? ask : required;
  return [
    ask('trace.hardware', 'Does genuine hardware vouch for the key?', evidence(runtime.platform)),
    askMeasurement(
      'trace.measurement',
      'Is the platform in the measured state that was expected?',
      measured(runtime.measurement, measurement),
    ),
  ];
}

function evidence(platform: string): Finding {
  if (platform === 'software-only') return asserted('no: a software key signed the record', '--accept-software');
  return notChecked(`the record names ${platform}, and carries no evidence of it`, '--accept-software');
}

function measured(said: string, expected: string | undefined): Finding {
  if (expected === undefined)
    return asserted(`the record says ${said}; no reference value was given`, '--measurement DIGEST');
  if (said !== expected) return failed(`the record says ${said}`, expected);
  return asserted(`the record says the expected value; no evidence in it shows that it is so`);
}

/** Whether policy and mode are those that the relying party approved. */
export function approvals({ policy }: TrustRecord, expectations: Expectations): Check[] {
  const askPolicy = expectations.unpinnedPolicy === true ? informative : required;
  return [
    askPolicy('trace.policy', 'Was the policy the approved one?', pinned(policy.bundle_hash, expectations.policyHash)),
    required('trace.mode', 'Were denials enforced?', mode(policy.enforcement_mode, expectations.allowModes ?? [])),
  ];
}

function pinned(said: string, expected: string | undefined): Finding {
  if (expected === undefined)
    return asserted(`the record says ${said}; no approved value was given`, '--policy-hash sha256:…');
  return provenUnless(sameDigest(said, expected) ? null : `the record says ${said}`, said, expected);
}

function mode(said: string, allowed: readonly string[]): Finding {
  if (said === 'enforce') return proven('the record is of enforcing mode', 'enforcing');
  if (allowed.includes(said)) return proven(`the record is of ${said} mode, which was allowed`, `--allow-mode ${said}`);
  const remedy = said === 'declared' ? null : `--allow-mode ${said}`;
  return asserted(`the record is of ${said} mode: what policy denied may have gone through`, remedy);
}
