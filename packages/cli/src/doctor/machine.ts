import { decodeUtf8, EncodingError } from '@cmcp/evidence';
import { type Condition, type Config, ok, warning } from '@cmcp/gateway';
import type { DoctorSystem } from './system.ts';

/** What configfs-tsm and its neighbours need of the kernel (Linux, Documentation/ABI: configfs-tsm-report, tdx_guest). */
const KERNELS: readonly [major: number, minor: number, brings: string][] = [
  [6, 7, 'evidence of SEV-SNP and TDX (configfs-tsm)'],
  [6, 10, 'evidence by way of an SVSM'],
  [6, 16, 'recording a launch in RTMR 3 of TDX'],
];

/** The kernel and the devices that evidence comes from. */
export async function machineConditions(system: DoctorSystem, config: Config): Promise<Condition[]> {
  const { address } = config.attestation.tpm;
  const conditions = [kernel(system), await configfs(system)];
  if (address.kind === 'device') conditions.push(await device(system, address.path));
  return conditions;
}

function kernel({ kernel: release }: DoctorSystem): Condition {
  const about = 'kernel';
  if (release === null)
    return warning(about, 'this is not Linux, so there is software evidence only, in dev mode', null);
  const [, major = '', minor = ''] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  const lacking = KERNELS.filter(
    ([first, second]) => Number(major) < first || (Number(major) === first && Number(minor) < second),
  );
  if (lacking.length === 0) return ok(about, `Linux ${release}: knows every kind of evidence`);
  const needs = lacking.map(([first, second, brings]) => `${brings} needs ${first}.${second}`).join(', ');
  return ok(about, `Linux ${release}: enough for a TPM; ${needs}`);
}

async function configfs({ kernel: release, read }: DoctorSystem): Promise<Condition> {
  const about = 'configfs';
  if (release === null) return ok(about, 'not needed: this is not Linux');
  const mounts = textOf(await read('/proc/self/mounts'));
  if (/^\S+ (\S+) configfs /m.test(mounts)) return ok(about, 'mounted');
  const fix = 'In a guest of SEV-SNP or TDX: mount -t configfs none /sys/kernel/config';
  return warning(about, 'not mounted; SEV-SNP and TDX need it, a TPM does not', fix);
}

async function device(system: DoctorSystem, path: string): Promise<Condition> {
  const about = 'TPM device';
  const owned = await system.owned(path);
  if (owned === null) return ok(about, `there is no ${path}`);
  const group = await groupName(system, owned.group);
  const mode = (owned.mode & 0o777).toString(8);
  if (await system.usable(path)) return ok(about, `${path} (group ${group}, mode ${mode}) can be read and written`);
  const fix = `Add the user of the gateway to the group ${group}: usermod -aG ${group} USER. Then log in anew, or restart the service.`;
  return warning(about, `${path} belongs to group ${group} (mode ${mode}), and this user may not use it`, fix);
}

async function groupName({ read }: DoctorSystem, id: number): Promise<string> {
  const line = textOf(await read('/etc/group'))
    .split('\n')
    .find((each) => each.split(':')[2] === String(id));
  return line?.split(':')[0] ?? String(id);
}

function textOf(bytes: Uint8Array | null): string {
  try {
    return bytes === null ? '' : decodeUtf8(bytes);
  } catch (error) {
    if (error instanceof EncodingError) return '';
    throw error;
  }
}
