import type { Expectations } from '../expectations.ts';
import type { RevocationGiven, RevocationSubject } from '../revocation/verify.ts';

/**
 * What the relying party expects of a Trust Record. Of the members shared with sessions, `keys`, `policyHash`, `measurement`,
 * `now`, `maxAgeSeconds` and the relaxations that concern them are used.
 */
export interface TrustRecordExpectations extends Expectations {
  /** The challenge that `runtime.nonce` must answer, base64url. */
  nonce?: string;
  /** The level of TRACE that the record must reach. */
  level?: 0 | 1 | 2;
  /** Statements about revoked keys, and the keys that may make them. The clock is `now`. */
  revocation?: Omit<RevocationGiven, 'now'>;
  /** Where the record stands in the log that revocations speak of. */
  inclusion?: NonNullable<RevocationSubject['inclusion']>;
  /** An entry of the registry, from a copy that is trusted, and the proof that the record is in it. */
  anchor?: { entry: Uint8Array | string; proof: Uint8Array | string };
  /** Accepts a record with `references`, which its schema does not know. They are not followed. */
  allowReferences?: boolean;
}
