import { canonicalSorted, type GatewayComponents, gatewayDigest, sha256Hex } from '@cmcp/evidence';
import type { Config } from '../../config/types.ts';
import type { CodeMeasurement, CodeParts } from './code.ts';
import { filesBelow, hashFiles } from './file-hashes.ts';

/** Hashes of what was loaded: `sha256:…`. */
export interface ApprovedHashes {
  bundleHash: string;
  catalogHash: string;
  /** Of the inspection rules; null where there are none but the built-in ones, which the code covers. */
  rulesHash: string | null;
}

/** What a gateway is measured from. */
export interface GatewaySource {
  code: CodeMeasurement;
  config: Pick<Config, 'portableHash' | 'policy'>;
  approved: ApprovedHashes;
}

/** What the components are made of, each `sha256:…`. */
export interface GatewayParts extends CodeParts {
  /** The bundle hash that sessions commit to (wire-formats section 4). */
  bundle: string;
  /** The bytes of every file of the bundle's folder. */
  bundleFiles: string;
  catalog: string;
  /** The inspection rules, where an operator has some of their own. */
  rules?: string;
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
  const { bundleHash: bundle, catalogHash: catalog, rulesHash: rules } = approved;
  // Named where there are some: a gateway without has the measurement that it always had.
  const own = { bundle, bundleFiles, catalog, ...(rules !== null && { rules }) };
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
