import { decodeHex, pcrAfter, printable, rtmrAfter } from '@cmcp/evidence';
import type { CodeMeasurement, GatewayMeasurement } from '@cmcp/gateway';
import { columns } from '../../table.ts';
import type { Comparison } from './compare.ts';
import type { Extended } from './extend.ts';

/** A launch register that was extended once with a measurement. */
export interface ExpectedRegister {
  name: string;
  platform: string;
  /** Lower-case hex. */
  value: string;
}

/** What a verifier of a measured launch may expect of a gateway with this measurement (`sha256:…`). */
export function expectedRegisters(measurement: string): ExpectedRegister[] {
  const digest = decodeHex(measurement.slice('sha256:'.length));
  return [
    { name: 'PCR 13', platform: 'TPM, SHA-256', value: pcrAfter(digest) },
    { name: 'RTMR 3', platform: 'TDX, SHA-384', value: rtmrAfter(digest) },
  ];
}

export interface Measured {
  code: CodeMeasurement;
  /** null: no configuration was given. */
  gateway: GatewayMeasurement | null;
  registers: ExpectedRegister[];
  release: Comparison | null;
  extended: Extended | null;
}

/** For a person. */
export function measurementText({ code, gateway, registers, release, extended }: Measured): string {
  const blocks = [columns(gateway === null ? codeRows(code) : gatewayRows(code, gateway))];
  if (gateway === null) blocks.push('The code alone: name the configuration with --config FILE to measure a gateway.');
  if (code.tree === 'source')
    blocks.push('This is a source tree, not the published packages: nobody else can expect these values.');
  if (registers.length > 0)
    blocks.push(['Extended once with it, a launch register holds:', columns(registers.map(registerRow))].join('\n'));
  if (release !== null) blocks.push(releaseText(release));
  if (extended !== null)
    blocks.push(
      extended.now
        ? `Recorded in ${extended.register}. Only a restart of the machine takes it back.`
        : `${extended.register} holds it already; nothing was changed.`,
    );
  return `${blocks.join('\n\n')}\n`;
}

function gatewayRows(code: CodeMeasurement, { digest, components, parts }: GatewayMeasurement): string[][] {
  return [
    ['gateway measurement', digest],
    ['  code', components.code],
    ...partRows(code).map(([name = '', ...rest]) => [`  ${name}`, ...rest]),
    ['  policy', components.policy],
    ['    bundle', parts.bundle],
    ['    files of the bundle', parts.bundleFiles],
    ['    catalog', parts.catalog],
    ...(parts.rules === undefined ? [] : [['    inspection rules', parts.rules]]),
    ['  config', components.config],
  ];
}

function codeRows(code: CodeMeasurement): string[][] {
  return [['code', code.digest.slice('sha256:'.length)], ...partRows(code)];
}

function partRows({ parts, packages, files, addedTrust }: CodeMeasurement): string[][] {
  return [
    ['  Node.js', parts.node],
    ['  packages', `${parts.packages} (${packages.length} packages, ${files} files)`],
    ['  lockfile', parts.lockfile ?? 'none: npm left none'],
    ['  launch', parts.launch],
    ...Object.entries(addedTrust).map(([name, brought]) => [`    trusts ${name}`, brought]),
  ];
}

function registerRow({ name, platform, value }: ExpectedRegister): string[] {
  return [`  ${name}`, `(${platform})`, value];
}

function releaseText({ same, version, commit, differences }: Comparison): string {
  const release = `release ${printable(version)} (commit ${commit})`;
  if (same) return `The code is that of ${release}.`;
  return [`The code is not that of ${release}:`, ...differences.map((line) => `  - ${printable(line)}`)].join('\n');
}
