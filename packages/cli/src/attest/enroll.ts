import type { Action } from '../action.ts';
import { type Arguments, refuseOthers, suggestion } from '../arguments.ts';
import { type Io, UsageError } from '../io.ts';
import { ca, challenge, issue } from './enroll/enroller.ts';
import { local } from './enroll/local.ts';
import { answer, request } from './enroll/machine.ts';
import { OUT_OPTION, ROOT_OPTION } from './options.ts';

/** One step: those that take no file get none. */
interface Step {
  takesFile: boolean;
  /** Options that it heeds. */
  options: readonly string[];
  run(file: string, given: Arguments, io: Io): Promise<number>;
}

const TRUST = ['root', 'tpm-makers', 'issuer', 'ek'];
const AUTHORITY = ['ca-cert', 'ca-key', 'days'];

const STEPS: Readonly<Record<string, Step>> = {
  ca: { takesFile: false, options: ['name', 'days', 'out-cert', 'out-key'], run: (_, given, io) => ca(given, io) },
  request: { takesFile: false, options: ['config', 'name', 'out'], run: (_, given, io) => request(given, io) },
  challenge: { takesFile: true, options: [...TRUST, 'name', 'state', 'out'], run: challenge },
  answer: { takesFile: true, options: ['config', 'out'], run: answer },
  issue: { takesFile: true, options: [...AUTHORITY, 'state', 'out'], run: issue },
  local: {
    takesFile: false,
    options: [...TRUST, ...AUTHORITY, 'config', 'name', 'out'],
    run: (_, given, io) => local(given, io),
  },
};

export const enrollAction: Action = {
  name: 'enroll',
  usage: 'enroll ca|request|challenge FILE|answer FILE|issue FILE|local …',
  description: [
    'Gets a certificate for the attestation key of a machine with a TPM. The enroller, who is not on that machine, sends a',
    'secret that only this TPM can open, and only while it holds this key (credential activation, TPM 2.0 Part 1, section 24).',
    'request and answer run on the machine; ca, challenge and issue at the enroller; files carry what is said. FILE may be -',
    'for standard input. local does all of it in one process, for trying out. See docs/enrolment.md.',
  ],
  options: {
    out: OUT_OPTION,
    root: ROOT_OPTION,
    'tpm-makers': { help: 'Trust the roots of TPM makers too; they were collected from one source only.' },
    issuer: {
      value: 'FILE',
      multiple: true,
      help: 'Certificates between a TPM and its root. Not trusted by themselves.',
    },
    ek: { value: 'DIGEST', help: 'The one endorsement key to accept: sha256:… of its public key.' },
    state: { value: 'FILE', help: 'What the enroller keeps between challenge and issue; used up by issue.' },
    name: { value: 'NAME', help: 'The name in the certificate (default: the host name of the machine).' },
    days: { value: 'N', help: 'How long the certificate is valid (default: 365; that of a CA 3650).' },
    'ca-cert': { value: 'FILE', help: 'The certificate of the enroller.' },
    'ca-key': { value: 'FILE', help: 'The key of the enroller.' },
    'out-cert': { value: 'FILE', help: 'The file for a new certificate of an enroller.' },
    'out-key': { value: 'FILE', help: 'The file for a new key of an enroller (mode 0600).' },
  },
  examples: [
    [
      'cmcp attest enroll ca --name "Example enroller" --out-cert ca.pem --out-key ca.key',
      'At the enroller, once: a key and a certificate to issue with',
    ],
    ['cmcp attest enroll request --config cmcp.yaml --out request.json', 'On the machine: what to enrol'],
    [
      'cmcp attest enroll challenge request.json --root ek-root.pem --state state.json --out challenge.json',
      'At the enroller: check the TPM, and challenge it',
    ],
    [
      'cmcp attest enroll answer challenge.json --config cmcp.yaml --out answer.json',
      'On the machine: the TPM answers',
    ],
    [
      'cmcp attest enroll issue answer.json --state state.json --ca-cert ca.pem --ca-key ca.key --out ak.pem',
      'At the enroller: the certificate',
    ],
  ],
  async run(positionals, given, io) {
    const [name = '', file = '', ...rest] = positionals;
    const step = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;
    if (step === undefined) {
      throw new UsageError(
        `unknown step ${JSON.stringify(name)} of enroll${await suggestion(name, Object.keys(STEPS))}`,
      );
    }
    if (rest.length > 0 || (file !== '') !== step.takesFile) {
      throw new UsageError(`enroll ${name} takes ${step.takesFile ? 'one file' : 'no file'}`);
    }
    refuseOthers(given, step.options, `enroll ${name}`);
    return step.run(file, given, io);
  },
};
