import { dirname } from 'node:path';
import { type Condition, type Config, ok, problem, warning } from '@cmcp/gateway';
import type { DoctorSystem } from './system.ts';

const MIB = 1024 * 1024;
const LITTLE_BYTES = 1024 * MIB;
const TOO_LITTLE_BYTES = 100 * MIB;
/** Permissions of anyone but the owner. */
const OTHERS = 0o077;

/** Where sessions and keys are kept. */
export async function storageConditions(system: DoctorSystem, { dataDir }: Config): Promise<Condition[]> {
  return [await permissions(system, dataDir), await space(system, dataDir)];
}

async function permissions(system: DoctorSystem, folder: string): Promise<Condition> {
  const about = 'data folder';
  const owned = await system.owned(folder);
  if (owned === null) return ok(about, `${folder} is made when the gateway first starts`);
  const mode = (owned.mode & 0o777).toString(8).padStart(3, '0');
  if (system.user !== null && owned.user !== system.user) {
    const fix = `Run the gateway, and this command, as that user; or: chown -R $(id -u) ${folder}`;
    return problem(about, `${folder} belongs to user ${owned.user}, and this is user ${system.user}`, fix);
  }
  if ((owned.mode & OTHERS) !== 0)
    return problem(about, `others may enter ${folder} (mode ${mode})`, `chmod 700 ${folder}`);
  return ok(about, `${folder} is its owner’s alone (mode ${mode})`);
}

async function space(system: DoctorSystem, folder: string): Promise<Condition> {
  const about = 'disk space';
  const fix =
    'Make room, or set `data` to a folder on another disk: without room nothing can be recorded, so nothing is served.';
  const free = await freeAt(system, folder);
  if (free === null) return warning(about, `how much is free for ${folder} cannot be told`, null);
  const found = `${Math.floor(free / MIB)} MiB are free for ${folder}`;
  if (free < TOO_LITTLE_BYTES) return problem(about, found, fix);
  return free < LITTLE_BYTES ? warning(about, found, fix) : ok(about, found);
}

/** Of the folder, or where it would be made. */
async function freeAt(system: DoctorSystem, folder: string): Promise<number | null> {
  const free = await system.freeBytes(folder);
  return free !== null || dirname(folder) === folder ? free : freeAt(system, dirname(folder));
}
