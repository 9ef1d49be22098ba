import { EVIDENCE_CLASSES, type Expectations, parseTimestamp, TPM_MAKER_ANCHORS, VENDOR_ANCHORS } from '@cmcp/evidence';
import { type FileFlag, type PinFile, problemOf, readAll } from './pin-files.ts';

/** Fields of the form, by the flag of `cmcp verify` that means the same. */
export const FIELDS = [
  {
    flag: '--policy-hash',
    label: 'Policy hash',
    hint: 'The approved policy bundle.',
    placeholder: 'sha256:…',
  },
  {
    flag: '--catalog-hash',
    label: 'Catalog hash',
    hint: 'The approved catalog of tools.',
    placeholder: 'sha256:…',
  },
  {
    flag: '--rules-hash',
    label: 'Inspection rules',
    hint: 'The rules that answers were inspected with, as cmcp inspection hash prints them.',
    placeholder: 'sha256:…',
  },
  {
    flag: '--measurement',
    label: 'Measurement',
    hint: 'The reference value that the platform must have measured.',
    placeholder: 'sha384:…',
  },
  {
    flag: '--gateway-measurement',
    label: 'Gateway measurement',
    hint: 'The gateway that you expect, as cmcp attest measure prints it.',
    placeholder: 'sha256:…',
  },
  {
    flag: '--at',
    label: 'Time',
    hint: 'Judge age at this time, instead of the time that the claim names.',
    placeholder: '2026-01-31T12:00:00Z',
  },
  {
    flag: '--max-age',
    label: 'Greatest age, in seconds',
    hint: 'Refuse evidence that is older than this.',
    placeholder: '86400',
  },
  {
    flag: '--min-evidence-class',
    label: 'Least evidence class',
    hint: `How firmly each call is tied to its server: ${EVIDENCE_CLASSES.join(', ')}.`,
    placeholder: 'tls-pinned',
  },
] as const;

/** What a person may choose to trust or accept, by the flag of `cmcp verify` that means the same. */
export const CHOICES = [
  { flag: '--accept-software', label: 'Accept a software key', hint: 'Nothing vouches for the machine.' },
  { flag: '--accept-software-tpm', label: 'Accept a software TPM', hint: 'Nothing vouches for the machine.' },
  {
    flag: '--accept-operator-root',
    label: 'Accept a root of the operator',
    hint: 'The operator’s word, not a maker’s.',
  },
  { flag: '--allow-mode advisory', label: 'Accept advisory mode', hint: 'Calls that policy denied went through.' },
  { flag: '--allow-mode silent', label: 'Accept silent mode', hint: 'The same, and nobody was told at the time.' },
  { flag: '--unpinned-policy', label: 'Do without a policy hash', hint: 'Any policy will do.' },
  { flag: '--unpinned-catalog', label: 'Do without a catalog hash', hint: 'Any catalog will do.' },
  {
    flag: '--allow-exceptions',
    label: 'Accept exceptions from the catalog',
    hint: 'Two operators let agents use more for a while.',
  },
] as const;

export type FieldFlag = (typeof FIELDS)[number]['flag'];
export type ChoiceFlag = (typeof CHOICES)[number]['flag'] | '--tpm-makers' | '--immutable-image';

/** The form as it stands. */
export interface Pins {
  fields: Readonly<Record<FieldFlag, string>>;
  chosen: readonly ChoiceFlag[];
  files: readonly PinFile[];
}

export const NO_PINS: Pins = {
  fields: {
    '--policy-hash': '',
    '--catalog-hash': '',
    '--rules-hash': '',
    '--measurement': '',
    '--gateway-measurement': '',
    '--at': '',
    '--max-age': '',
    '--min-evidence-class': '',
  },
  chosen: [],
  files: [],
};

/** What is wrong with a field, in words. A field that cannot be read never counts as left empty. */
export type PinProblems = Partial<Record<FieldFlag | FileFlag, string>>;

const HASH = /^(?:sha256:)?[0-9a-f]{64}$/;
const WITH_PREFIX = /^sha256:[0-9a-f]{64}$/;
const HASH_PROBLEM = 'This is not sha256: and 64 lower-case hexadecimal digits.';

/** What is wrong with the form; empty when nothing is. */
export function problemsOf({ fields, files }: Pins): PinProblems {
  const wrong = (flag: FieldFlag, holds: (text: string) => boolean, problem: string): PinProblems => {
    const text = fields[flag].trim();
    return text === '' || holds(text) ? {} : { [flag]: problem };
  };
  const problems: PinProblems = {
    ...wrong('--policy-hash', (text) => HASH.test(text), HASH_PROBLEM),
    ...wrong('--catalog-hash', (text) => HASH.test(text), HASH_PROBLEM),
    ...wrong('--rules-hash', (text) => WITH_PREFIX.test(text), HASH_PROBLEM),
    ...wrong('--gateway-measurement', (text) => WITH_PREFIX.test(text), HASH_PROBLEM),
    ...wrong(
      '--at',
      (text) => secondsOf(text) !== null,
      'This is not a time with its zone, such as 2026-01-31T12:00:00Z.',
    ),
    ...wrong('--max-age', (text) => /^\d{1,10}$/.test(text), 'This is not a whole number of seconds.'),
    ...wrong(
      '--min-evidence-class',
      (text) => classOf(text) !== undefined,
      `This is none of ${EVIDENCE_CLASSES.join(', ')}.`,
    ),
  };
  for (const file of files) {
    const problem = problemOf(file);
    if (problem !== null) problems[file.flag] = problem;
  }
  const both = fields['--catalog-hash'].trim() !== '' && files.some(({ flag }) => flag === '--catalog');
  return both ? { ...problems, '--catalog': 'Give the catalog or its hash, not both.' } : problems;
}

/**
 * What the form says, as the verifier takes it; only of a form without problems.
 *
 * @param now the clock of this machine, seconds since the epoch: read only where an age is asked for without a time
 */
export function expectationsOf({ fields, chosen, files }: Pins, now: () => number): Expectations {
  const given = (flag: FieldFlag): string | null => fields[flag].trim() || null;
  const policyHash = given('--policy-hash');
  const catalogHash = given('--catalog-hash');
  const measurement = given('--measurement');
  const rulesHash = given('--rules-hash');
  const gatewayMeasurement = given('--gateway-measurement');
  const maxAge = given('--max-age');
  const at = secondsOf(given('--at') ?? '');
  const least = classOf(given('--min-evidence-class') ?? '');
  const { anchors = [], ...documents } = readAll(files);
  return {
    ...documents,
    anchors: [...VENDOR_ANCHORS, ...(chosen.includes('--tpm-makers') ? TPM_MAKER_ANCHORS : []), ...anchors],
    ...accepted(chosen),
    ...(policyHash !== null && { policyHash }),
    ...(catalogHash !== null && { catalogHash }),
    ...(measurement !== null && { measurement }),
    ...(rulesHash !== null && { rulesHash }),
    ...(gatewayMeasurement !== null && { gatewayMeasurement }),
    ...(chosen.includes('--immutable-image') && { immutableImage: true }),
    ...(least !== undefined && { minEvidenceClass: least }),
    ...(at !== null && { now: at }),
    ...(maxAge !== null && { maxAgeSeconds: Number(maxAge), now: at ?? now() }),
  };
}

function accepted(chosen: readonly ChoiceFlag[]): Expectations {
  return {
    acceptSoftware: chosen.includes('--accept-software'),
    acceptSoftwareTpm: chosen.includes('--accept-software-tpm'),
    acceptOperatorRoot: chosen.includes('--accept-operator-root'),
    allowModes: (['advisory', 'silent'] as const).filter((mode) => chosen.includes(`--allow-mode ${mode}`)),
    unpinnedPolicy: chosen.includes('--unpinned-policy'),
    unpinnedCatalog: chosen.includes('--unpinned-catalog'),
    allowExceptions: chosen.includes('--allow-exceptions'),
  };
}

function classOf(text: string): (typeof EVIDENCE_CLASSES)[number] | undefined {
  return EVIDENCE_CLASSES.find((name) => name === text);
}

function secondsOf(text: string): number | null {
  const micros = parseTimestamp(text);
  return micros === null ? null : Math.floor(micros / 1_000_000);
}
