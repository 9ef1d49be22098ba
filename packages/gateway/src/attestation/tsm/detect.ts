import type { Detection } from '../types.ts';
import { ifPossible, TsmError } from './error.ts';
import { type TsmMachine, type TsmProvider, whoAnswers } from './report.ts';
import { hasRtmr } from './rtmr.ts';

/** What looking needs of the machine. */
export interface TsmSurroundings extends Pick<TsmMachine, 'fs' | 'base' | 'random'> {
  /** Release of the Linux kernel, such as `6.8.0-31-generic`; null on another system. */
  kernel: string | null;
}

/** Whether this machine is an AMD SEV-SNP guest that can be asked for evidence. No report is asked for. */
export async function detectSevSnp(machine: TsmSurroundings): Promise<Detection> {
  const found = await look(machine, 'sev_guest', 'sev-guest');
  return { kind: 'sev-snp', ...found };
}

/** Whether this machine is an Intel TDX guest that can be asked for evidence. No quote is asked for. */
export async function detectTdx(machine: TsmSurroundings): Promise<Detection> {
  const found = await look(machine, 'tdx_guest', 'tdx-guest');
  if (!found.available) return { kind: 'tdx', ...found };
  const register = (await showsRtmr(machine))
    ? 'RTMR 3 can be extended'
    : 'RTMR 3 cannot be extended, because the kernel shows no measurement registers, which Linux 6.16 brought';
  return { kind: 'tdx', ...found, reason: `${found.reason}; ${register}` };
}

type Found = Omit<Detection, 'kind'>;

async function look(machine: TsmSurroundings, provider: TsmProvider, module: string): Promise<Found> {
  const { kernel } = machine;
  if (kernel === null) return lacking('this is not Linux', null);
  try {
    const answering = await whoAnswers(machine);
    if (answering !== provider) return lacking(`${answering} answers on this machine, not ${provider}`, null);
    return { available: true, reason: `${provider} answers through configfs-tsm (Linux ${kernel})`, remedy: null };
  } catch (error) {
    if (!(error instanceof TsmError)) throw error;
    return explained(error, machine, kernel, module);
  }
}

async function explained(error: TsmError, machine: TsmSurroundings, kernel: string, module: string): Promise<Found> {
  const load = `in such a guest: modprobe ${module}`;
  if (error.code === 'no-provider') {
    return lacking('the kernel can ask a confidential VM for evidence, and none is behind it', load);
  }
  if (error.code === 'denied') {
    const remedy =
      'start the gateway as root, or with the capability CAP_DAC_OVERRIDE and no other (systemd: AmbientCapabilities=CAP_DAC_OVERRIDE)';
    return lacking('the kernel lets only root ask for evidence', remedy);
  }
  if (error.code !== 'absent') return lacking(error.message, null);
  if (isBefore(kernel, 6, 7)) return lacking(`Linux ${kernel} has no configfs-tsm`, 'run Linux 6.7 or newer');
  if (await isMounted(machine)) return lacking('the kernel has no configfs-tsm loaded', load);
  return lacking('configfs is not mounted', 'mount -t configfs none /sys/kernel/config');
}

function lacking(reason: string, remedy: string | null): Found {
  return { available: false, reason, remedy };
}

/** A kernel whose release cannot be read counts as new: the other reasons then say what lacks. */
function isBefore(kernel: string, major: number, minor: number): boolean {
  const [, first, second] = /^(\d+)\.(\d+)/.exec(kernel) ?? [];
  if (first === undefined || second === undefined) return false;
  return Number(first) < major || (Number(first) === major && Number(second) < minor);
}

const MOUNTS_MOST = 1024 * 1024;

async function isMounted({ fs, base }: TsmSurroundings): Promise<boolean> {
  const mounts = await ifPossible(() => fs.readFile(`${base}/proc/self/mounts`, MOUNTS_MOST));
  return mounts !== null && / configfs /.test(new TextDecoder().decode(mounts));
}

async function showsRtmr({ fs, base }: TsmSurroundings): Promise<boolean> {
  return (await ifPossible(() => hasRtmr(fs, base))) === true;
}
