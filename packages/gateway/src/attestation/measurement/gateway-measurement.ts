import { canonicalSorted, type GatewayComponents, gatewayDigest, sha256Hex } from '@cmcp/evidence';
import type { Config } from '../../config/types.ts';
import type { CodeMeasurement, CodeParts } from './code.ts';
import { filesBelow, hashFiles } from './file-hashes.ts';

/** What a gateway is measured from. */
export interface GatewaySource {
  code: CodeMeasurement;
  config: Pick<Config, 'portableHash' | 'policy'>;
  /** Hashes of what was loaded: `sha256:…`. */
  approved: { bundleHash: string; catalogHash: string };
}

/** What the components are made of, each `sha256:…`. */
export interface GatewayParts extends CodeParts {
  /** The bundle hash that sessions commit to (wire-formats section 4). */
  bundle: string;
  /** The bytes of every file of the bundle's folder. */
  bundleFiles: string;
  catalog: string;
  /** The configuration, as it is the same on every machine. */
  settings: string;
}

/** A gateway's measurement of itself. Who holds this machine can make it say anything, unless the launch was measured. */
export interface GatewayMeasurement extends Pick<CodeMeasurement, 'tree' | 'packages' | 'files'> {
  /** `sha256:…` over the components: what a launch register is extended with. */
  digest: string;
  /** Each 64 hex digits (wire-formats section 11.5). */
  components: GatewayComponents;
  parts: GatewayParts;
}

/**
 * Measures everything that decides what a gateway does: the code, what was approved, and the settings.
 * @throws GatewayError PROCESS_UNSAFE when something cannot be measured
 */
export function measureGateway({ code, config, approved }: GatewaySource): GatewayMeasurement {
  const bundleFiles = hashBundle(config.policy.path);
  const { tree, packages, files } = code;
  const own = { bundle: approved.bundleHash, bundleFiles, catalog: approved.catalogHash };
  const components = {
    code: withoutPrefix(code.digest),
    policy: sha256Hex(canonicalSorted(own)),
    config: withoutPrefix(config.portableHash),
  };
  return {
    digest: `sha256:${gatewayDigest(components)}`,
    components,
    parts: { ...code.parts, ...own, settings: config.portableHash },
    tree,
    packages,
    files,
  };
}

function hashBundle(folder: string): string {
  const every = (): boolean => true;
  const paths = filesBelow(folder, every, every);
  const hashes = hashFiles(paths.map((path) => `${folder}/${path}`));
  const rows = paths.map((path, index): [string, string] => [path, hashes[index] ?? '']);
  return `sha256:${sha256Hex(canonicalSorted(Object.fromEntries(rows)))}`;
}

function withoutPrefix(digest: string): string {
  return digest.slice('sha256:'.length);
}
