import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleSignaturePreimage, isObject, type JsonObject, parseJson } from '@cmcp/evidence';
import { loadBundle } from '../../policy/bundle.ts';
import { readBundleFiles } from '../../policy/bundle-files.ts';
import { refuseBundle } from '../../policy/text.ts';
import { dottedVersion } from '../../policy/version.ts';
import { prettyJson } from '../../setup/pretty-json.ts';
import type { SigningKey } from './signing-key.ts';

/** What was signed. */
export interface SignedBundle {
  hash: string;
  version: string;
  keyId: string;
}

/**
 * Signs the bundle in `folder` (wire-formats section 4) and writes `manifest.signature`, whole or not at all. What would not load is not
 * signed, nor is a version that could not be told from an older one.
 *
 * @throws GatewayError POLICY_INVALID
 */
export async function signBundle(folder: string, key: SigningKey): Promise<SignedBundle> {
  const { hash, version } = await loadBundle(folder);
  if (dottedVersion(version) === null)
    throw refuseBundle('manifest.json', `"version" is ${version}; write integers joined by dots, such as 1.4.0`);
  const { manifest } = await readBundleFiles(folder);
  const value = parseJson(manifest.text, { depth: 32 });
  const members: JsonObject = isObject(value) ? value : {};
  const signature = key.sign(bundleSignaturePreimage(hash));
  const temporary = join(folder, 'manifest.json.part');
  await writeFile(temporary, `${prettyJson({ ...members, signature })}\n`);
  await rename(temporary, join(folder, 'manifest.json'));
  return { hash, version, keyId: key.keyId };
}
