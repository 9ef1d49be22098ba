import { readFile } from 'node:fs/promises';
import { isMachineEvidence, verifyLiveAttestation, verifyMachineEvidence } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { expectationsOf, TPM_MAKERS_OPTION } from '../connect/options.ts';
import { EXIT, RefusedError, UsageError } from '../io.ts';
import { reportText } from '../report-text.ts';
import { rfc3339 } from '../time.ts';
import { NONCE_OPTION, nonceOption } from './nonce.ts';

export const verifyAction: Action = {
  name: 'verify',
  usage: 'verify FILE --nonce HEX --expect FILE [--tls-spki sha256:… | --machine]',
  description: [
    'Checks what evidence printed, offline: that it answers your challenge, and that it is of the gateway, or with --machine of the',
    'machine, that your file of expectations describes. Exit code 0 only when all of it is proven. Whether somebody stands between you and the',
    'gateway shows with --tls-spki, the key that your connection ended at; `cmcp connect` does all of this for every connection.',
  ],
  options: {
    nonce: NONCE_OPTION,
    expect: {
      value: 'FILE',
      help: 'What you expect: measurements, hashes, keys, roots. See docs/live-attestation.md.',
    },
    'tls-spki': { value: 'DIGEST', help: 'The TLS key that your connection ended at: sha256:… of it, or none.' },
    machine: { help: 'The file is evidence about a machine: of no gateway, its policy or its TLS key.' },
    'tpm-makers': TPM_MAKERS_OPTION,
    at: { value: 'TIME', help: 'Judge age and certificates at this RFC 3339 time instead of now.' },
  },
  examples: [
    [
      'cmcp attest verify answer.json --nonce 5f2c… --expect gateway.json --tls-spki sha256:…',
      'Is it the gateway that I expect?',
    ],
  ],
  async run(positionals, given, io) {
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0) throw new UsageError('verify takes one file');
    const nonce = nonceOption(given);
    const expectations = await expectationsOf(given);
    const now = rfc3339(given.one('at')) ?? Math.floor(Date.now() / 1000);
    const tlsSpki = tlsOption(given);
    const document = await readFile(file);
    const machine = given.has('machine');
    if (machine && tlsSpki !== null) throw new UsageError('--machine is of no connection: leave out --tls-spki');
    // What is asked is the caller's to say: a file that answers another question is no answer.
    if (!machine && isMachineEvidence(document))
      throw new RefusedError(`${file} is evidence about a machine and of no gateway; --machine checks it as that`);
    const report = machine
      ? await verifyMachineEvidence(document, { nonce, now }, expectations)
      : await verifyLiveAttestation(document, { nonce, tlsSpki, now }, expectations);
    io.out(
      given.has('json')
        ? `${JSON.stringify(report, null, 2)}\n`
        : reportText(file, { ...report, session_id: null, claim: null }, io.color),
    );
    return report.verdict === 'verified' ? EXIT.done : EXIT.refused;
  },
};

function tlsOption(given: Arguments): string | null {
  const text = given.one('tls-spki');
  if (text === null || /^(?:none|sha256:[0-9a-f]{64})$/.test(text)) return text;
  throw new UsageError('--tls-spki takes sha256: and 64 lower-case hexadecimal digits, or none');
}
