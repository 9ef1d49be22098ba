import { existsSync } from 'node:fs';
import type { CodeMeasurement, GatewayMeasurement } from '@cmcp/gateway';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, type Io, UsageError } from '../io.ts';
import { compareRelease } from './measure/compare.ts';
import { extendRegister } from './measure/extend.ts';
import { measuredFrom } from './measure/from.ts';
import { expectedRegisters, measurementText } from './measure/text.ts';

export const measureAction: Action = {
  name: 'measure',
  usage: 'measure [--config FILE] [--package DIR|TARBALL …] [--node FILE] [--check FILE --key FILE] [--extend]',
  description: [
    'Prints what a gateway measures: the Node.js binary, every file of its packages, the approved policy and catalog, and the',
    'settings. It is the same on another machine that has the same packages and configuration, which need not have the secrets:',
    'whoever expects a gateway computes here what `cmcp verify --gateway-measurement` and `cmcp connect` compare. Without a',
    'configuration the code alone is measured. --check compares the code with the signed measurements of a release. --extend',
    'records the measurement in the launch register of this machine, once per boot. See docs/measurement.md.',
  ],
  options: {
    package: {
      value: 'DIR|TARBALL',
      multiple: true,
      help: 'Measure an installation in DIR, or packed packages, which npm installs for it in a temporary folder.',
    },
    node: { value: 'FILE', help: 'The Node.js binary that will run it (default: the one that runs this).' },
    check: { value: 'FILE', help: 'The measurements.json of a release to compare the code with.' },
    key: { value: 'FILE', help: 'The public key that signed it: an Ed25519 JWK, or its x on one line.' },
    extend: { help: 'Record the measurement in the launch register: PCR 13 of a TPM, RTMR 3 of TDX.' },
  },
  examples: [
    ['cmcp attest measure --config cmcp.yaml', 'What a gateway with this configuration measures'],
    ['cmcp attest measure --package /opt/cmcp --config cmcp.yaml', 'The same of an installation elsewhere'],
    [
      'cmcp attest measure --check measurements.json --key publisher.jwk',
      'Whether this installation is the released one',
    ],
    ['cmcp attest measure --config cmcp.yaml --extend', 'In a measured loader, before the gateway starts'],
  ],
  async run(positionals, given, io) {
    if (positionals.length > 0) throw new UsageError('measure takes no arguments besides its options');
    const wanted = readOptions(given);
    const code = await measuredFrom(wanted.packages, wanted.node, io);
    const gateway = wanted.config === null ? null : await measureWith(wanted.config, code, io);
    const release = wanted.check === null ? null : await compareRelease(wanted.check, wanted.publisherKey, code);
    const extended = wanted.extend && gateway !== null ? await extendRegister(wanted.config ?? '', gateway, io) : null;
    const registers = gateway === null ? [] : expectedRegisters(gateway.digest);
    const measured = { code, gateway, registers, release, extended };
    io.out(given.has('json') ? `${JSON.stringify(measured, null, 2)}\n` : measurementText(measured));
    return release === null || release.same ? EXIT.done : EXIT.refused;
  },
};

interface Wanted {
  /** null: the code alone. */
  config: string | null;
  packages: string[];
  node: string | null;
  check: string | null;
  publisherKey: string;
  extend: boolean;
}

function readOptions(given: Arguments): Wanted {
  const [named, check, publisherKey] = [given.one('config'), given.one('check'), given.one('key')];
  const config = named ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : null);
  const packages = given.many('package');
  const [node, extend] = [given.one('node'), given.has('extend')];
  if ((check === null) !== (publisherKey === null)) throw new UsageError('--check and --key belong together');
  if (extend && (packages.length > 0 || node !== null))
    throw new UsageError('--extend records the gateway of this installation; it takes no --package and no --node');
  if (extend && config === null) throw new UsageError('--extend needs the configuration of the gateway: --config FILE');
  return { config, packages, node, check, publisherKey: publisherKey ?? '', extend };
}

async function measureWith(file: string, code: CodeMeasurement, io: Io): Promise<GatewayMeasurement> {
  const { measureConfigured, readConfigWithoutSecrets, readEnvironment } = await import('@cmcp/gateway');
  return measureConfigured(await readConfigWithoutSecrets(file, readEnvironment(io.variables)), code);
}
