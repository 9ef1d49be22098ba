import { printable } from '@cmcp/evidence';
import type { Arguments } from '../../arguments.ts';
import { EXIT, type Io } from '../../io.ts';
import { mustBeFree, writeOutput } from '../files.ts';
import { AK_DAYS, about, issuedText } from './enroller.ts';
import { caOptions, daysOption, now, trustOptions } from './given.ts';
import { machineName, withTpm } from './machine.ts';

/** All steps in one process. Whoever has the machine then has the enroller's key too. */
export async function local(given: Arguments, io: Io): Promise<number> {
  const out = given.one('out');
  const days = daysOption(given, AK_DAYS);
  await mustBeFree(out);
  const authority = await caOptions(given);
  const enrolment = await import('@cmcp/gateway/enrolment');
  const trust = await trustOptions(given, null);
  const machine = await machineName(given);
  const certificate = await withTpm(given, io, async (tpm) => {
    const request = await enrolment.requestEnrolment(tpm, machine, (detail) => io.err(`${printable(detail)}\n`));
    const made = await enrolment.makeChallenge(request, trust);
    const answer = await enrolment.answerChallenge(tpm, made.challenge, now());
    enrolment.checkAnswer(answer, made.state, now());
    io.err(`${await about(made)}\n`);
    return enrolment.issueAkCertificate(authority, made.state, { from: now(), days });
  });
  await writeOutput(out, certificate, io);
  io.err(issuedText(machine, out, days));
  return EXIT.done;
}
