import { printable } from '@cmcp/evidence';
import type { MadeChallenge } from '@cmcp/gateway/enrolment';
import type { Arguments } from '../../arguments.ts';
import { EXIT, type Io, UsageError } from '../../io.ts';
import { columns } from '../../table.ts';
import { mustBeFree, readInput, writeOutput } from '../files.ts';
import { caOptions, daysOption, nameOption, needed, now, trustOptions } from './given.ts';

/** How long the certificate of an attestation key is valid, unless --days says otherwise. */
export const AK_DAYS = 365;
const CA_DAYS = 3650;

/** Makes the enroller's own key and certificate. */
export async function ca(given: Arguments, io: Io): Promise<number> {
  const certificateFile = needed(given, 'out-cert', 'the file for the certificate');
  const keyFile = needed(given, 'out-key', 'the file for the key');
  if (given.one('name') === null) throw new UsageError('name the enroller with --name');
  const name = await nameOption(given, '');
  const days = daysOption(given, CA_DAYS);
  // The key is written first: without a place for the certificate nobody would have use for it.
  await mustBeFree(certificateFile);
  const { createCa } = await import('@cmcp/gateway/enrolment');
  const made = await createCa(name, { from: now(), days });
  await writeOutput(keyFile, made.key, io, 0o600);
  await writeOutput(certificateFile, made.certificate, io);
  io.err(
    `Wrote ${certificateFile}, which relying parties name with --root, and ${keyFile}: whoever has it can certify any key.\n`,
  );
  return EXIT.done;
}

/** Checks a request, and makes the challenge that only its TPM can answer. */
export async function challenge(file: string, given: Arguments, io: Io): Promise<number> {
  const stateFile = needed(given, 'state', 'the file for what the answer will be compared with');
  const out = given.one('out');
  const machine = given.one('name') === null ? null : await nameOption(given, '');
  const trust = await trustOptions(given, machine);
  await mustBeFree(stateFile);
  await mustBeFree(out);
  const { keepState, makeChallenge, readRequest, writeChallenge } = await import('@cmcp/gateway/enrolment');
  const made = await makeChallenge(readRequest(await readInput(file), file), trust);
  await keepState(stateFile, made.state);
  await writeOutput(out, writeChallenge(made.challenge), io);
  io.err(`${await about(made)}\nThe challenge can be answered once, within 15 minutes.\n`);
  return EXIT.done;
}

/** Compares an answer with the state of its challenge, and certifies the key. */
export async function issue(file: string, given: Arguments, io: Io): Promise<number> {
  const stateFile = needed(given, 'state', 'the file that was written with the challenge');
  const out = given.one('out');
  const days = daysOption(given, AK_DAYS);
  await mustBeFree(out);
  const authority = await caOptions(given);
  const { issueAkCertificate, readAnswer, redeem } = await import('@cmcp/gateway/enrolment');
  const from = now();
  const state = await redeem(readAnswer(await readInput(file), file), stateFile, from);
  await writeOutput(out, await issueAkCertificate(authority, state, { from, days }), io);
  io.err(issuedText(state.machine, out, days));
  return EXIT.done;
}

/** What was found out about the TPM, for the person who decides whether to certify its key. */
export async function about({ endorsement, state }: MadeChallenge): Promise<string> {
  const { endorsementFingerprint } = await import('@cmcp/gateway/enrolment');
  const { device, root, software } = endorsement;
  const named = [device.manufacturer, device.model, device.version].filter((text) => text !== null).join(', ');
  const whose = root.source === 'vendor' ? 'a root that comes with cmcp' : 'a root that you named';
  return columns([
    ['TPM', `${printable(named)}${software ? ' (a software TPM: a program, not a chip)' : ''}`],
    ['vouched for by', `${printable(root.name)}, ${whose}`],
    ['endorsement key', `sha256:${endorsementFingerprint(endorsement)}`],
    ['certificate for', state.machine],
  ]);
}

export function issuedText(machine: string, out: string | null, days: number): string {
  const where = out === null ? 'it' : out;
  return `Certified the attestation key of ${machine} for ${days} days. Name ${where} in the machine's configuration: attestation.tpm.ak_certificate.\n`;
}
