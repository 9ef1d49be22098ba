import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { systemTimers } from '../../timers.ts';
import type { Detection } from '../types.ts';
import type { TpmAddress } from './api.ts';
import { TpmError } from './error.ts';
import { socketTransport } from './transport-socket.ts';

/** What looking for a TPM needs of the machine. */
export interface TpmSurroundings {
  /** Rejects as node:fs does when the file is not there, or this user may not read and write it. */
  mayUse(path: string): Promise<void>;
  /** Connects to a simulator and lets go again. Rejects with TpmError. */
  reach(address: Exclude<TpmAddress, { kind: 'device' }>): Promise<void>;
}

/** How long a simulator may take to accept a connection, milliseconds. */
const REACH_MS = 2_000;
/** The device without the kernel's resource manager, beside the one with it. */
const UNMANAGED = '/dev/tpm0';

/** This machine. */
export const tpmSurroundings: TpmSurroundings = {
  mayUse: (path) => access(path, constants.R_OK | constants.W_OK),
  async reach(address) {
    const late = new AbortController();
    const stop = systemTimers.after(REACH_MS, () => late.abort(new TpmError('timeout', 'nothing answers there')));
    try {
      const connection = await socketTransport(address, systemTimers).connect(late.signal);
      await connection.close();
    } finally {
      stop();
    }
  },
};

/** Whether there is a TPM at `address` that this user may use. The TPM is asked nothing. */
export async function detectTpm(
  address: TpmAddress,
  machine: TpmSurroundings = tpmSurroundings,
): Promise<Detection & { kind: 'tpm' }> {
  const found = address.kind === 'device' ? await device(address.path, machine) : await simulator(address, machine);
  return { kind: 'tpm', ...found };
}

type Found = Omit<Detection, 'kind'>;

async function device(path: string, machine: TpmSurroundings): Promise<Found> {
  const problem = await problemOf(path, machine);
  if (problem === null) return { available: true, reason: `${path} is there`, remedy: null };
  if (problem === 'denied') {
    const remedy = `add the user of the gateway to the group that owns ${path}, which is tss on most systems (usermod -aG tss USER), and start it anew`;
    return { available: false, reason: `${path} is there, and this user may not read and write it`, remedy };
  }
  const reason =
    (await problemOf(UNMANAGED, machine)) === 'absent'
      ? `there is no ${path}`
      : `there is no ${path}: the kernel shows ${UNMANAGED} without its resource manager`;
  const remedy = 'enable the TPM in the firmware settings or give the virtual machine a virtual TPM';
  return { available: false, reason, remedy };
}

/** Why a file cannot be used; null when it can. */
async function problemOf(path: string, machine: TpmSurroundings): Promise<'absent' | 'denied' | null> {
  try {
    await machine.mayUse(path);
    return null;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return error.code === 'EACCES' || error.code === 'EPERM' ? 'denied' : 'absent';
  }
}

async function simulator(address: Exclude<TpmAddress, { kind: 'device' }>, machine: TpmSurroundings): Promise<Found> {
  const place = address.kind === 'unix' ? address.path : `${address.host} port ${address.port}`;
  try {
    await machine.reach(address);
    return { available: true, reason: `a simulator listens at ${place}: a software TPM`, remedy: null };
  } catch (error) {
    if (!(error instanceof TpmError)) throw error;
    const remedy = 'start the simulator, or let `attestation.tpm.address` name the device of the TPM';
    return { available: false, reason: error.message, remedy };
  }
}
