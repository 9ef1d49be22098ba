import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, realpath, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { encodeUtf8, equalBytes } from '@cmcp/evidence';
import type { ServerTransport } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import { loadsOtherCode } from './child-environment.ts';

type Spawn = Extract<ServerTransport, { kind: 'stdio' }>;

/**
 * Checks what is about to be run: an absolute path to an executable file and, where the catalog pins a digest, that the
 * measured file holds those bytes and is really what runs. The bytes are read just before the start; someone who can
 * replace the file in between is not caught (LIMITATIONS).
 * @throws GatewayError UPSTREAM_UNAVAILABLE: nothing was started
 */
export async function checkServerFile(spawn: Spawn, configuredEnv: Readonly<Record<string, string>>): Promise<void> {
  if (!isAbsolute(spawn.command)) throw refuse('the command is not an absolute path, so PATH would choose what runs');
  await requireExecutable(spawn.command);
  const target = spawn.measureTarget ?? spawn.command;
  if (spawn.measureTarget !== null && !(await isRun(target, spawn))) {
    throw refuse('the measured file is neither the command nor one of its arguments');
  }
  if (spawn.binaryDigest === null) return;
  const loader = loadsOtherCode(configuredEnv);
  if (loader !== null) throw refuse(`${loader} would load code beside the measured file`);
  const measured = `sha256:${await fileDigest(target)}`;
  if (!equalBytes(encodeUtf8(measured), encodeUtf8(spawn.binaryDigest))) {
    throw refuse('the server file is not the approved one: its digest differs');
  }
}

async function requireExecutable(path: string): Promise<void> {
  try {
    await access(path, constants.X_OK);
    if ((await stat(path)).isFile()) return;
  } catch (error) {
    throw refuse('the command is not an executable file', error);
  }
  throw refuse('the command is not an executable file');
}

/** An argument that names the file in any way counts; a measured file that nothing refers to would prove nothing. */
async function isRun(target: string, spawn: Spawn): Promise<boolean> {
  if (!isAbsolute(target)) throw refuse('the measured file is not an absolute path');
  const measured = await resolve(target);
  for (const candidate of [spawn.command, ...spawn.args]) {
    if (isAbsolute(candidate) && measured !== null && (await resolve(candidate)) === measured) return true;
  }
  return false;
}

async function resolve(path: string): Promise<string | null> {
  return realpath(path).catch(() => null);
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path), hash);
  } catch (error) {
    throw refuse('the server file cannot be read', error);
  }
  return hash.digest('hex');
}

function refuse(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail, { cause });
}
