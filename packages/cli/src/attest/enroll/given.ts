import type { ChallengeGiven, EnrollerCa } from '@cmcp/gateway/enrolment';
import type { Arguments } from '../../arguments.ts';
import { readAnchors } from '../../evidence/given.ts';
import { certificatesIn } from '../../evidence/roots.ts';
import { UsageError } from '../../io.ts';
import { readInput } from '../files.ts';

/** The longest that a certificate is made for: ten years. */
const MOST_DAYS = 3660;

/** Seconds since the epoch. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** The option `name`, without which the step cannot be done. @throws UsageError */
export function needed(given: Arguments, name: string, what: string): string {
  const value = given.one(name);
  if (value === null) throw new UsageError(`name ${what} with --${name}`);
  return value;
}

/** `--name`, or `otherwise`. @throws UsageError when it cannot be in a certificate */
export async function nameOption(given: Arguments, otherwise: string): Promise<string> {
  const { NAME } = await import('@cmcp/gateway/enrolment');
  const name = given.one('name') ?? otherwise;
  if (!NAME.form.test(name)) throw new UsageError(`--name takes ${NAME.expected}; not ${JSON.stringify(name)}`);
  return name;
}

/** `--days`, or `otherwise`. @throws UsageError */
export function daysOption(given: Arguments, otherwise: number): number {
  const text = given.one('days');
  if (text === null) return otherwise;
  const days = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : Number.NaN;
  if (!(days <= MOST_DAYS)) throw new UsageError(`--days takes a whole number from 1 to ${MOST_DAYS}`);
  return days;
}

/** Whom the enroller trusts, by `--root`, `--tpm-makers` and `--issuer`, and which TPM it expects. */
export async function trustOptions(given: Arguments, machine: string | null): Promise<ChallengeGiven> {
  const anchors = await readAnchors(given, ['tpm']);
  const named = await Promise.all([...given.many('root'), ...given.many('issuer')].map(certificatesIn));
  return { anchors, pool: named.flat(), at: now(), machine, endorsementKey: endorsementKeyOption(given) };
}

/** The enroller's CA, by `--ca-cert` and `--ca-key`. */
export async function caOptions(given: Arguments): Promise<EnrollerCa> {
  const certificate = needed(given, 'ca-cert', 'the certificate of the enroller');
  const key = needed(given, 'ca-key', 'the key of the enroller');
  const { readCa } = await import('@cmcp/gateway/enrolment');
  return readCa(await readInput(certificate), await readInput(key));
}

function endorsementKeyOption(given: Arguments): string | null {
  const text = given.one('ek');
  if (text === null) return null;
  const [, hex] = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text) ?? [];
  if (hex === undefined) throw new UsageError('--ek takes sha256: and 64 lower-case hexadecimal digits');
  return hex;
}
