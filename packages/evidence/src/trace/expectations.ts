import type { Expectations } from '../expectations.ts';

/**
 * What the relying party expects of a Trust Record. Of the members shared with sessions, `keys`, `policyHash`, `measurement`,
 * `now`, `maxAgeSeconds` and the relaxations that concern them are used.
 */
export interface TrustRecordExpectations extends Expectations {
  /** The challenge that `runtime.nonce` must answer, base64url. */
  nonce?: string;
  /** The level of TRACE that the record must reach. */
  level?: 0 | 1 | 2;
  /** Accepts a record with `references`, which its schema does not know. They are not followed. */
  allowReferences?: boolean;
}
