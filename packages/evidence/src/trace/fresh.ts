import { readBase64Url } from '../bytes/base64url.ts';
import { equalBytes } from '../bytes/equal.ts';
import { asksForAge } from '../claim/times.ts';
import type { Expectations } from '../expectations.ts';
import { asserted, type Finding, failed, notChecked, proven, provenUnless } from '../finding.ts';
import type { TrustRecord } from './parse.ts';

/** How far a clock may be ahead of the verifier's, and how old a record may be (wire-formats section 22). */
const FUTURE_SKEW_SECONDS = 300;
const DEFAULT_MAX_AGE_SECONDS = 86_400;

/** Whether the record was issued recently, and not in the future. */
export function issued({ iat }: TrustRecord, expectations: Expectations): Finding {
  const { now, maxAgeSeconds = DEFAULT_MAX_AGE_SECONDS } = expectations;
  if (now === undefined) {
    return asksForAge(expectations)
      ? notChecked('a greatest age was asked for, and no clock was given', '--at TIME')
      : asserted('no clock was given: the record may be of any age');
  }
  const against = `at most ${maxAgeSeconds} s before ${now} s`;
  // Written so that a clock that is not a number does not pass.
  if (!(iat <= now + FUTURE_SKEW_SECONDS)) return failed('the record was issued in the future', against);
  return now - iat <= maxAgeSeconds
    ? proven(`the record is ${Math.max(0, now - iat)} s old`, against)
    : failed(`the record is ${now - iat} s old`, against);
}

/** Whether the record answers the challenge. Texts are decoded first, so that one nonce has one text. */
export function answers({ runtime }: TrustRecord, expected: string | undefined): Finding {
  if (expected === undefined) return notChecked('no nonce was given to compare with');
  if (runtime.nonce === undefined) return failed('the record answers no challenge', expected);
  const [said, asked] = [readBase64Url(runtime.nonce), readBase64Url(expected)];
  if (asked === null || asked.length === 0) return failed('the nonce given is not base64url', expected);
  const same = said !== null && equalBytes(said, asked);
  return provenUnless(
    same ? null : 'the record answers another challenge',
    'the record answers the challenge',
    expected,
  );
}
