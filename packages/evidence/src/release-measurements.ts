import { FormatError } from './format-error.ts';
import { jcsSignature } from './jcs-signature.ts';
import { readJsonObject } from './json/document.ts';
import { list, nullable, object, oneOf, text } from './shape.ts';

const FORMAT = 'cmcp-measurements/1';

/** What the code of a gateway measures as, run by one Node.js binary: each `sha256:…`. */
export interface ReleasedCode {
  /** Such as `linux-x64`. */
  platform: string;
  node_version: string;
  /** The Node.js binary. */
  node: string;
  /** Every file of every package. */
  packages: string;
  /** What npm checked before it unpacked them; null where the release was measured without a lockfile. */
  lockfile: string | null;
  /** A start without flags and variables that change code. */
  launch: string;
  /** Over these: the component `code` of the gateway measurement. */
  digest: string;
}

/** `measurements.json` of a release: where reference values of the code come from. */
export interface ReleaseMeasurements {
  format: typeof FORMAT;
  version: string;
  /** The git commit that was built. */
  commit: string;
  /** The packed packages, with the SHA-256 of each file and the integrity that npm shows. */
  packages: { name: string; version: string; file: string; sha256: string; integrity: string }[];
  /** What they depend on, as the release's lockfile has it. */
  dependencies: { name: string; version: string; integrity: string }[];
  code: ReleasedCode[];
}

const WORD = text(/^[ -~]{1,214}$/);
const DIGEST = text(/^sha256:[0-9a-f]{64}$/);
const INTEGRITY = text(/^sha512-[A-Za-z0-9+/]{86}==$/);
const SHAPE = object({
  format: oneOf(FORMAT),
  version: WORD,
  commit: text(/^[0-9a-f]{40}$/),
  packages: list(
    object({ name: WORD, version: WORD, file: WORD, sha256: text(/^[0-9a-f]{64}$/), integrity: INTEGRITY }),
  ),
  dependencies: list(object({ name: WORD, version: WORD, integrity: INTEGRITY })),
  code: list(
    object({
      platform: WORD,
      node_version: WORD,
      node: DIGEST,
      packages: DIGEST,
      lockfile: nullable(DIGEST),
      launch: DIGEST,
      digest: DIGEST,
    }),
  ),
  signature: text(),
});

/**
 * Reads `measurements.json` and checks who signed it: Ed25519 over its RFC 8785 form without `signature`.
 *
 * @param key the publisher's public key (`x`, base64url), from elsewhere than the file
 * @param source names the key in errors
 * @throws FormatError when it has another form, or that key did not sign it
 */
export async function readReleaseMeasurements(
  bytes: Uint8Array | string,
  key: string,
  source: string,
): Promise<ReleaseMeasurements> {
  const value = readJsonObject(bytes, 'the file of measurements', { depth: 4 });
  const problem = SHAPE(value, 'the file of measurements');
  if (problem !== null) throw new FormatError(problem);
  const { outcome, detail } = await jcsSignature(value, key, 'the file of measurements', source);
  if (outcome !== 'proven') throw new FormatError(detail);
  const { signature: _signature, ...measurements } = value;
  return measurements as unknown as ReleaseMeasurements;
}
