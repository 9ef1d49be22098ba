import { createHash } from 'node:crypto';
import { encodeHex, equalBytes, rtmrAfter } from '@cmcp/evidence';
import type { LaunchRegister } from '../types.ts';
import { attempt, TsmError } from './error.ts';
import type { TsmFs } from './fs.ts';

// RTMR 3 as the kernel shows it (Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest, Linux 6.16).

const SIZE = 48;

export function rtmrPath(base: string): string {
  return `${base}/sys/class/misc/tdx_guest/measurements/rtmr3:sha384`;
}

/** What RTMR 3 holds; null where the kernel shows no measurement registers. @throws TsmError */
async function readRtmr(fs: TsmFs, base: string): Promise<Uint8Array<ArrayBuffer> | null> {
  let value: Uint8Array<ArrayBuffer>;
  try {
    value = await attempt('reading RTMR 3', () => fs.readFile(rtmrPath(base), SIZE));
  } catch (error) {
    if (error instanceof TsmError && error.code === 'absent') return null;
    throw error;
  }
  if (value.length !== SIZE) throw new TsmError('malformed', `RTMR 3 has ${value.length} bytes, not ${SIZE}`);
  return value;
}

/** Whether the kernel shows RTMR 3, by which it can be extended. @throws TsmError */
export async function hasRtmr(fs: TsmFs, base: string): Promise<boolean> {
  return (await readRtmr(fs, base)) !== null;
}

/** RTMR 3 as the register of the launch; null where the kernel shows none. @throws TsmError */
export async function launchRtmr(fs: TsmFs, base: string): Promise<LaunchRegister | null> {
  const value = await readRtmr(fs, base);
  if (value === null) return null;
  return { name: 'RTMR 3', value: encodeHex(value), after: rtmrAfter };
}

const DIGEST_SIZE = 32;

/**
 * Extends RTMR 3 with the SHA-384 of `digest` (32 bytes), for registers take 48, and looks whether it holds what it then should.
 *
 * @throws TsmError
 */
export async function extendRtmr(fs: TsmFs, base: string, digest: Uint8Array): Promise<void> {
  // An empty one would be recorded as well, once and for all until the machine restarts.
  if (digest.length !== DIGEST_SIZE)
    throw new TsmError('refused', `RTMR 3 is extended by a digest of ${DIGEST_SIZE} bytes`);
  const before = await readRtmr(fs, base);
  if (before === null) {
    throw new TsmError(
      'absent',
      'RTMR 3 cannot be extended: the kernel shows no measurement registers, which Linux 6.16 brought',
    );
  }
  const event = new Uint8Array(createHash('sha384').update(digest).digest());
  await attempt('extending RTMR 3', () => fs.writeFile(rtmrPath(base), event));
  const after = await readRtmr(fs, base);
  if (after !== null && equalBytes(after, extended(before, event))) return;
  throw new TsmError('foreign', 'RTMR 3 does not hold what it was extended to: another program extends it as well');
}

/** TDG.MR.RTMR.EXTEND: SHA-384 of what the register held and of what it is extended with. */
function extended(value: Uint8Array, event: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha384').update(value).update(event).digest());
}
