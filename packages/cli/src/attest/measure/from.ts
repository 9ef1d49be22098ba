import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { CodeMeasurement } from '@cmcp/gateway';
import { type Io, LackingError, RefusedError, UsageError } from '../../io.ts';

const run = promisify(execFile);
/** A registry that does not answer is given up. */
const NPM_TIMEOUT_MS = 600_000;

/**
 * Measures the code of an installation, of packed packages, or of this process when `given` is empty. What does not run here is
 * measured as it is started in production, without flags and variables that change code.
 *
 * @param given one folder, or tarballs
 * @param node the Node.js binary; null for the one that runs this
 */
export async function measuredFrom(given: string[], node: string | null, io: Io): Promise<CodeMeasurement> {
  const { installedCode, measureCode, ownCode, PLAIN_LAUNCH, runningNode } = await import('@cmcp/gateway');
  if (given.length === 0) {
    const own = ownCode({ flags: process.execArgv, variables: io.variables });
    return measureCode({ ...own, node: node ?? own.node });
  }
  const binary = node ?? runningNode();
  const [folder = ''] = given;
  if (given.length === 1 && (await stat(folder)).isDirectory())
    return measureCode(installedCode(folder, binary, PLAIN_LAUNCH));
  return withInstalled(given, io, (place) => measureCode(installedCode(place, binary, PLAIN_LAUNCH)));
}

/** Lets npm install the tarballs in a folder of their own, without running any script, and removes it afterwards. */
async function withInstalled<T>(tarballs: string[], io: Io, use: (folder: string) => T): Promise<T> {
  const odd = tarballs.find((path) => !path.endsWith('.tgz'));
  if (odd !== undefined) throw new UsageError(`--package takes one folder, or files that end in .tgz: not ${odd}`);
  const folder = await mkdtemp(join(tmpdir(), 'cmcp-measure-'));
  try {
    // Copies, because npm takes a path with a colon or an `@` for something else.
    const names = tarballs.map((path, index) => `./${index}-${basename(path).replaceAll(/[^\w.-]/g, '_')}`);
    await Promise.all(tarballs.map((path, index) => copyFile(path, join(folder, names[index] ?? ''))));
    await writeFile(join(folder, 'package.json'), '{"private":true}\n');
    await npmInstall(names, folder, io);
    return use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function npmInstall(names: string[], cwd: string, io: Io): Promise<void> {
  const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  try {
    await run('npm', ['install', ...options, ...names], { cwd, env: { ...io.variables }, timeout: NPM_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if ('code' in error && error.code === 'ENOENT')
      throw new LackingError('npm is not installed; install the packages, and name their folder with --package DIR');
    const said = 'stderr' in error ? String(error.stderr).trim() : error.message;
    throw new RefusedError(`npm could not install the packages:\n  ${said.split('\n').join('\n  ')}`);
  }
}
