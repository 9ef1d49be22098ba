import { randomBytes } from 'node:crypto';
import { encodeHex, equalBytes, sha256, sha256Hex, spkiOf } from '@cmcp/evidence';
import { TpmError } from '../tpm/error.ts';
import {
  type EnrolmentAnswer,
  type EnrolmentChallenge,
  type EnrolmentRequest,
  type EnrolmentState,
  SECRET_BYTES,
} from './documents.ts';
import { type Credential, makeCredential } from './make-credential.ts';
import { refused } from './refusal.ts';
import { type EnrollerTrust, type VettedEndorsement, vetAttestationKey, vetEndorsementKeys } from './vetting.ts';

/** Long enough to carry files to the machine and back. */
const VALID_SECONDS = 15 * 60;

/** What the enroller decides about one request. */
export interface ChallengeGiven extends EnrollerTrust {
  /** The name that the certificate will have; null: the one that the machine gives itself. */
  machine: string | null;
  /** The one endorsement key that is accepted, as {@link endorsementFingerprint}; null: any whose maker is trusted. */
  endorsementKey: string | null;
}

/** A challenge, what to keep until it is answered, and what was found out about the TPM. */
export interface MadeChallenge {
  challenge: EnrolmentChallenge;
  state: EnrolmentState;
  endorsement: VettedEndorsement;
}

/**
 * Checks the keys of a request and makes a challenge that only their TPM can answer (TPM 2.0 Part 1, section 24). That the
 * attestation key is in that TPM is shown by the answer, and by nothing before.
 *
 * @throws GatewayError ENROLMENT_REFUSED
 */
export async function makeChallenge(request: EnrolmentRequest, given: ChallengeGiven): Promise<MadeChallenge> {
  const attestation = vetAttestationKey(request.attestationKey);
  const endorsement = await vetEndorsementKeys(request, given);
  const fingerprint = endorsementFingerprint(endorsement);
  if (given.endorsementKey !== null && given.endorsementKey !== fingerprint) {
    throw refused(`the endorsement key is ${fingerprint}, not the expected one: the request is of another TPM`);
  }
  const secret = new Uint8Array(randomBytes(SECRET_BYTES));
  const id = encodeHex(randomBytes(16));
  const expires = given.at + VALID_SECONDS;
  const state = {
    id,
    secretDigest: new Uint8Array(sha256(secret)),
    expires,
    machine: given.machine ?? request.machine,
    attestationKey: request.attestationKey,
    device: endorsement.device,
  };
  const challenge = {
    id,
    attestationKeyName: attestation.name,
    endorsementKeyName: endorsement.name,
    credential: credentialFor(endorsement, attestation.name, secret),
    expires,
  };
  return { challenge, state, endorsement };
}

/**
 * Whether an answer shows that the attestation key is in the TPM of the challenge: in time, and with the secret.
 *
 * @param at the enroller's clock, seconds since the epoch
 * @throws GatewayError ENROLMENT_REFUSED when it does not
 */
export function checkAnswer(
  { secret }: Pick<EnrolmentAnswer, 'secret'>,
  { expires, secretDigest }: Pick<EnrolmentState, 'expires' | 'secretDigest'>,
  at: number,
): void {
  // Written so that a clock that is no number is inside no validity.
  if (!(at <= expires)) {
    throw refused(
      'the challenge has expired: an answer counts for 15 minutes. Make another challenge from the request',
    );
  }
  if (!equalBytes(sha256(secret), secretDigest)) {
    throw refused(
      'the answer is not the secret of the challenge, so the attestation key is not shown to be in that TPM',
    );
  }
}

/** SHA-256 over the SubjectPublicKeyInfo of an endorsement key, lower-case hex: the same for every certificate of that key. */
export function endorsementFingerprint({ area }: Pick<VettedEndorsement, 'area'>): string {
  return sha256Hex(spkiOf(area.key));
}

function credentialFor({ area }: VettedEndorsement, name: Uint8Array, secret: Uint8Array): Credential {
  try {
    return makeCredential(area, name, secret);
  } catch (error) {
    throw error instanceof TpmError ? refused(error.message, error) : error;
  }
}
