import type { Expectations } from '../expectations.ts';
import { asserted, type Finding, failed, notChecked, proven } from '../finding.ts';
import { parseTimestamp } from '../time.ts';
import type { WireClaim } from './wire.ts';

/** How far a clock may be ahead of the verifier's (wire-formats section 22; defects C-05, C-13). */
const FUTURE_SKEW_SECONDS = 300;

/** Oldest attestation to accept when a clock is given and no bound (wire-formats section 22). */
const DEFAULT_MAX_AGE_SECONDS = 86_400;

/** Rounding of `iat` to seconds, on both sides of a comparison. */
const ROUNDING_SECONDS = 2;

/**
 * Whether the times in the file are possible together, and, where a clock was given, not in its future. `lastMicros`: the time of
 * the last entry, in microseconds since the epoch.
 */
export function timesPossible(claim: WireClaim, lastMicros: number, expectations: Expectations): Finding {
  const { iat } = claim.trace;
  const attested = attestedSeconds(claim);
  const last = lastMicros / 1e6;
  if (attested > iat + FUTURE_SKEW_SECONDS) return failed('the attestation is later than the claim');
  if (last > iat + FUTURE_SKEW_SECONDS) return failed('the chain has an entry that is later than the claim');
  if (stale(claim) !== claim.gateway.attestation_stale && !nearStale(claim)) {
    return failed('attestation_stale does not follow from the times in the claim');
  }
  const { now } = expectations;
  if (now === undefined) return proven('attestation, entries and claim are in a possible order', "the claim's own iat");
  const latest = Math.max(iat, attested, last);
  const against = `the clock given, ${now} s`;
  if (!(latest <= now + FUTURE_SKEW_SECONDS))
    return failed('the file holds a time that is still in the future', against);
  return proven('no time in the file is in the future', against);
}

/** Whether the attestation is recent enough for who asks. Without a clock and a bound the claim's own time is all there is. */
export function age(claim: WireClaim, expectations: Expectations): Finding {
  const { now, maxAgeSeconds = DEFAULT_MAX_AGE_SECONDS } = expectations;
  if (!asksForAge(expectations)) {
    return asserted(`no age was asked for; by its own time the attestation was ${claimAge(claim)} s old at the claim`);
  }
  if (now === undefined) return notChecked('a greatest age was asked for, and no clock was given', '--at TIME');
  const seconds = Math.floor(now - attestedSeconds(claim));
  const against = `at most ${maxAgeSeconds} s before ${now} s`;
  return seconds <= maxAgeSeconds
    ? proven(`the attestation is ${seconds} s old`, against)
    : failed(`the attestation is ${seconds} s old`, against);
}

/** Whether age is to be judged by more than the claim's own time (contracts section 5). */
export function asksForAge({ now, maxAgeSeconds }: Expectations): boolean {
  return now !== undefined || maxAgeSeconds !== undefined;
}

/** The schema has checked that it is a time. */
function attestedSeconds(claim: WireClaim): number {
  return (parseTimestamp(claim.gateway.attestation_generated_at) ?? 0) / 1e6;
}

function claimAge(claim: WireClaim): number {
  return Math.max(0, Math.floor(claim.trace.iat - attestedSeconds(claim)));
}

function stale(claim: WireClaim): boolean {
  return claim.trace.iat - attestedSeconds(claim) > claim.gateway.attestation_validity_seconds;
}

function nearStale(claim: WireClaim): boolean {
  const over = claim.trace.iat - attestedSeconds(claim) - claim.gateway.attestation_validity_seconds;
  return Math.abs(over) <= ROUNDING_SECONDS;
}
