import { existsSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { CodeSource, Launch } from './code.ts';
import { readManifest } from './installed-packages.ts';
import { type FoundPackage, resolvePackage } from './module-folders.ts';

/** The package that starts a gateway. */
const PROGRAM = '@cmcp/cli';
/** The script in it that Node.js is given: its `bin`. */
const SCRIPT = 'bin/cmcp.js';
/** Where Linux shows the binary that really runs, also when its file was replaced since (proc_pid_exe(5)). */
const RUNNING = '/proc/self/exe';

/** This package. */
const GATEWAY = fileURLToPath(new URL('../../..', import.meta.url));

/** The code of this process: this package, the command line beside it, and the Node.js that runs them. */
export function ownCode(launch: Launch): CodeSource {
  const program = ownProgram();
  return {
    packages: program === null ? [GATEWAY] : [GATEWAY, program.folder],
    node: runningNode(),
    launch,
    half: basename(fileURLToPath(new URL('../..', import.meta.url))) === 'src' ? 'src' : 'dist',
  };
}

/**
 * The script of the command line that {@link ownCode} measures, absolute, links followed; null when none is beside this package.
 * @throws GatewayError PROCESS_UNSAFE when Node.js would load something in its place
 */
export function ownScript(): string | null {
  const program = ownProgram();
  return program === null ? null : join(program.folder, SCRIPT);
}

function ownProgram(): FoundPackage | null {
  return resolvePackage(PROGRAM, realpathSync(GATEWAY));
}

/**
 * The code of an installation that is not running: `folder` holds a `node_modules` with the command line in it, or is the package of
 * the command line. `node`: the Node.js binary that will run it.
 * @throws GatewayError PROCESS_UNSAFE when there is none
 */
export function installedCode(folder: string, node: string, launch: Launch): CodeSource {
  const program = [join(folder, 'node_modules', PROGRAM), folder].find(isProgram);
  if (program === undefined) {
    throw new GatewayError(
      'PROCESS_UNSAFE',
      `${PROGRAM} is not installed in ${folder}, so there is nothing to measure. Name the folder that holds its node_modules.`,
    );
  }
  return { packages: [program], node, launch, half: 'dist' };
}

/** The path of the Node.js binary that runs this process. */
export function runningNode(): string {
  return process.platform === 'linux' ? RUNNING : process.execPath;
}

function isProgram(folder: string): boolean {
  return existsSync(join(folder, 'package.json')) && member(readManifest(folder), 'name') === PROGRAM;
}
