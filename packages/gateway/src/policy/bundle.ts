import { bundleHash } from '@cmcp/evidence';
import { checkAnnotations } from './annotations.ts';
import { type BundleFiles, readBundleFiles } from './bundle-files.ts';
import { readManifest } from './manifest.ts';
import { named } from './names.ts';
import { type BundlePolicy, parsePolicies } from './parse.ts';
import { validatePolicies } from './validate.ts';

/** A policy bundle that parsed, and, if native, passed validation against its own schema. */
export interface Bundle {
  /** `sha256:…` as the reference computes it (wire-formats section 4). */
  hash: string;
  version: string;
  /** `manifest.signature` as written: nothing here has checked it. */
  signature: string | null;
  request: 'native' | 'compat';
  /** In the order of the files. */
  policies: BundlePolicy[];
  /** Text of schema.cedarschema. Hashed always; for compat bundles never parsed. */
  schema: string;
  /** What Cedar found odd but valid, with file and line. */
  warnings: string[];
}

/**
 * Reads the policy bundle in `folder`.
 *
 * @throws GatewayError POLICY_INVALID that says file, line, what is wrong and what to do
 */
export async function loadBundle(folder: string): Promise<Bundle> {
  return bundleOf(await readBundleFiles(folder));
}

/** As {@link loadBundle}, of files that were read. */
export function bundleOf(files: BundleFiles): Bundle {
  const manifest = readManifest(files.manifest);
  const native = manifest.request === 'native';
  const parsed = parsePolicies(files.policies);
  const odd = native ? checkAnnotations(parsed) : [];
  const policies = native ? named(parsed) : parsed;
  return {
    hash: bundleHash(manifest.raw, files.policies, files.schema.text),
    version: manifest.version,
    signature: manifest.signature,
    request: manifest.request,
    policies,
    schema: files.schema.text,
    warnings: native ? [...validatePolicies(files.policies, files.schema, policies), ...odd] : [],
  };
}
