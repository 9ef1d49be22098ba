import { printable, writeMachineEvidence } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { readUrl } from '../connect/options.ts';
import { EXIT, type Io, RefusedError, UsageError } from '../io.ts';
import { writeOutput } from './files.ts';
import { NONCE_OPTION, nonceOption } from './nonce.ts';
import { OUT_OPTION } from './options.ts';

export const evidenceAction: Action = {
  name: 'evidence',
  usage: '[evidence] --nonce HEX [--config FILE | --url URL]',
  description: [
    'Prints fresh evidence for the challenge of a caller, as JSON: of a running gateway with --url, which states its policy, catalog,',
    'measurement and TLS key with it; else of this machine, by the platform that the configuration names. verify checks either.',
  ],
  options: {
    nonce: NONCE_OPTION,
    url: { value: 'URL', help: 'The gateway to ask.' },
    out: OUT_OPTION,
  },
  examples: [
    ['cmcp attest evidence --nonce 5f2c… --out machine.json', 'Of this machine'],
    ['cmcp attest evidence --nonce 5f2c… --url https://gateway.example --out answer.json', 'Of a gateway'],
  ],
  async run(positionals, given, io) {
    if (positionals.length > 0) throw new UsageError('evidence takes no file; --out names the one to write');
    const nonce = nonceOption(given);
    const [url, config] = [given.one('url'), given.one('config')];
    if (url !== null && config !== null)
      throw new UsageError('name a gateway with --url or this machine with --config');
    const text = url === null ? await ofMachine(nonce, given, io) : await ofGateway(url, nonce, io);
    await writeOutput(given.one('out'), `${text}\n`, io);
    return EXIT.done;
  },
};

async function ofMachine(nonce: Uint8Array, given: Arguments, io: Io): Promise<string> {
  const { machineEvidence, readConfig, readEnvironment } = await import('@cmcp/gateway');
  const config = await readConfig(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
  const say = (detail: string): void => io.err(`${printable(detail)}\n`);
  const { evidence, why } = await machineEvidence(config, nonce, say);
  say(why);
  return writeMachineEvidence(evidence);
}

/** What the gateway says is passed on as it came: whoever verifies it wants it so. */
async function ofGateway(address: string, nonce: Uint8Array, io: Io): Promise<string> {
  const { systemTimers } = await import('@cmcp/gateway/client');
  const { fetchAttestation } = await import('../connect/fetch-attestation.ts');
  const { ConnectFailure } = await import('../connect/failure.ts');
  try {
    const source = { url: readUrl(address), authorities: 'none', timers: systemTimers } as const;
    const { document, tlsSpki } = await fetchAttestation(source, nonce);
    io.err(
      `Nothing is verified yet. The connection ended at the TLS key ${tlsSpki}: \`cmcp attest verify --tls-spki\` compares it.\n`,
    );
    return document.toString('utf8').trimEnd();
  } catch (error) {
    if (error instanceof ConnectFailure) throw new RefusedError(error.message);
    throw error;
  }
}
