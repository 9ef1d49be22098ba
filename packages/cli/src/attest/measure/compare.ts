import { readFile } from 'node:fs/promises';
import { FormatError, type ReleasedCode, readReleaseMeasurements } from '@cmcp/evidence';
import type { CodeMeasurement } from '@cmcp/gateway';
import { RefusedError } from '../../io.ts';
import { readKey } from '../../keys.ts';

/** How an installation stands to a release. */
export interface Comparison {
  same: boolean;
  /** Of the release. */
  version: string;
  commit: string;
  /** What differs, in plain words; empty when it is the same. */
  differences: string[];
}

/**
 * Compares the code with what a publisher signed as that of a release.
 * @throws RefusedError when the file is not what that publisher signed
 */
export async function compareRelease(file: string, keyFile: string, code: CodeMeasurement): Promise<Comparison> {
  const key = await readKey(keyFile);
  const release = await readReleaseMeasurements(await readFile(file), key.x, key.source).catch((error: unknown) => {
    if (error instanceof FormatError) throw new RefusedError(`${file}: ${error.message}`);
    throw error;
  });
  const { version, commit } = release;
  const same = release.code.some(({ digest }) => digest === code.digest);
  return { same, version, commit, differences: same ? [] : differences(code, release.code) };
}

function differences({ parts, tree }: CodeMeasurement, released: readonly ReleasedCode[]): string[] {
  const found: string[] = [];
  const lacks = (part: 'node' | 'packages' | 'lockfile' | 'launch'): boolean =>
    !released.some((each) => each[part] === parts[part]);
  if (tree === 'source') found.push('this is a source tree, and a release is an installation of packed packages');
  else if (lacks('packages')) found.push('the files of the packages are not those of the release');
  if (lacks('node')) {
    const names = released.map(({ platform, node_version }) => `${node_version} for ${platform}`).join(', ');
    found.push(`the Node.js binary is none that the release was measured with (${names})`);
  }
  if (lacks('lockfile'))
    found.push(
      parts.lockfile === null
        ? 'there is no lockfile: install with `npm ci` in the folder of the release'
        : 'the lockfile is not that of the release: install with `npm ci` in the folder of the release',
    );
  if (lacks('launch')) found.push('flags or variables are set that change which code runs, or whom it trusts');
  // Each part by itself is a released one: they are of different platforms.
  return found.length === 0 ? ['no platform of the release has this combination'] : found;
}
