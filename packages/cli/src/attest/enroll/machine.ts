import { hostname } from 'node:os';
import { printable } from '@cmcp/evidence';
import type { Tpm } from '@cmcp/gateway/enrolment';
import type { Arguments } from '../../arguments.ts';
import { DEFAULT_CONFIG } from '../../command.ts';
import { EXIT, type Io } from '../../io.ts';
import { readInput, writeOutput } from '../files.ts';
import { nameOption, now } from './given.ts';

/** On the machine: which keys are in its TPM. */
export async function request(given: Arguments, io: Io): Promise<number> {
  const { requestEnrolment, writeRequest } = await import('@cmcp/gateway/enrolment');
  const machine = await machineName(given);
  const document = await withTpm(given, io, (tpm) =>
    requestEnrolment(tpm, machine, (detail) => io.err(`${printable(detail)}\n`)),
  );
  await writeOutput(given.one('out'), writeRequest(document), io);
  io.err(`Bring this to the enroller: the request of ${machine}. Nothing of it is secret.\n`);
  return EXIT.done;
}

/** On the machine: the secret that its TPM gives out. */
export async function answer(file: string, given: Arguments, io: Io): Promise<number> {
  const { answerChallenge, readChallenge, writeAnswer } = await import('@cmcp/gateway/enrolment');
  const challenge = readChallenge(await readInput(file), file);
  const document = await withTpm(given, io, (tpm) => answerChallenge(tpm, challenge, now()));
  await writeOutput(given.one('out'), writeAnswer(document), io);
  io.err('The TPM opened the challenge. Bring the answer to the enroller.\n');
  return EXIT.done;
}

/** The name that the machine is called by: `--name`, else its host name. @throws UsageError when it cannot be in a certificate */
export function machineName(given: Arguments): Promise<string> {
  return nameOption(given, hostname());
}

/** The TPM that the configuration names; nothing else of it is used. */
export async function withTpm<T>(given: Arguments, io: Io, work: (tpm: Tpm) => Promise<T>): Promise<T> {
  const { readConfigWithoutSecrets, readEnvironment } = await import('@cmcp/gateway');
  const { openTpm } = await import('@cmcp/gateway/enrolment');
  const config = await readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
  const tpm = openTpm(config.attestation.tpm.address);
  try {
    return await work(tpm);
  } finally {
    await tpm.close();
  }
}
