import { digest, sha256Hex } from '../crypto/sha256.ts';
import { canonicalSorted } from '../json/canonical.ts';
import { type JsonObject, setMember } from '../json/value.ts';

/** One policy file of a bundle: its path inside the bundle, with `/`, and its text with universal newlines. */
export interface PolicyText {
  path: string;
  text: string;
}

/**
 * `sha256:…` of a policy bundle (wire-formats section 4). The manifest's top-level `signature` signs the hash, so it is not in it.
 *
 * @throws JsonError for a manifest without canonical form
 */
export function bundleHash(manifest: JsonObject, policies: readonly PolicyText[], schema: string): string {
  const hashes: JsonObject = {};
  for (const { path, text } of policies) setMember(hashes, path, sha256Hex(text));
  const { signature: _signature, ...signed } = manifest;
  return digest(canonicalSorted({ manifest: signed, policy_files: hashes, schema_hash: sha256Hex(schema) }));
}
