import { printable } from '@cmcp/evidence';
import type { Arguments } from '../../arguments.ts';
import { EXIT, type Io } from '../../io.ts';
import { writeOutput } from '../files.ts';
import { AK_DAYS, about, issuedText } from './enroller.ts';
import { caOptions, daysOption, trustOptions } from './given.ts';
import { machineName, withTpm } from './machine.ts';

/** All steps in one process. Whoever has the machine then has the enroller's key too. */
export async function local(given: Arguments, io: Io): Promise<number> {
  const out = given.one('out');
  const days = daysOption(given, AK_DAYS);
  const authority = await caOptions(given);
  const { activateAtOnce, issueAkCertificate } = await import('@cmcp/gateway/enrolment');
  const trust = await trustOptions(given, null);
  const machine = await machineName(given);
  const say = (detail: string): void => io.err(`${printable(detail)}\n`);
  const made = await withTpm(given, io, (tpm) => activateAtOnce(tpm, machine, trust, say));
  io.err(`${await about(made)}\n`);
  const certificate = await issueAkCertificate(authority, made.state, { from: trust.at, days });
  await writeOutput(out, certificate, io);
  io.err(issuedText(machine, out, days));
  return EXIT.done;
}
