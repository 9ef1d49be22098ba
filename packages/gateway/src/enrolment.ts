/** What a program needs that enrols attestation keys, or has one enrolled. Apart, because few do and it loads the writer of certificates. */
export { issueAkCertificate } from './attestation/enrolment/ak-certificate.ts';
export { activateAtOnce } from './attestation/enrolment/at-once.ts';
export { createCa, type EnrollerCa, readCa } from './attestation/enrolment/ca.ts';
export {
  type ChallengeGiven,
  endorsementFingerprint,
  type MadeChallenge,
  makeChallenge,
} from './attestation/enrolment/challenge.ts';
export {
  NAME,
  readAnswer,
  readChallenge,
  readRequest,
  writeAnswer,
  writeChallenge,
  writeRequest,
} from './attestation/enrolment/documents.ts';
export { answerChallenge, requestEnrolment } from './attestation/enrolment/machine.ts';
export { keepState, redeem } from './attestation/enrolment/state-file.ts';
export type { Tpm } from './attestation/tpm/api.ts';
export { openTpm } from './attestation/tpm/tpm.ts';
