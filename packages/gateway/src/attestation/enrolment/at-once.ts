import type { Tpm } from '../tpm/api.ts';
import { type ChallengeGiven, checkAnswer, type MadeChallenge, makeChallenge } from './challenge.ts';
import { answerChallenge, requestEnrolment, type Say } from './machine.ts';

/**
 * Request, challenge, answer and comparison in one process: the TPM proves what it would have to prove to an enroller elsewhere.
 * @throws GatewayError ENROLMENT_REFUSED
 */
export async function activateAtOnce(
  tpm: Tpm,
  machine: string,
  given: ChallengeGiven,
  say: Say,
): Promise<MadeChallenge> {
  const request = await requestEnrolment(tpm, machine, say);
  const made = await makeChallenge(request, given);
  const answer = await answerChallenge(tpm, made.challenge, given.at);
  checkAnswer(answer, made.state, given.at);
  return made;
}
