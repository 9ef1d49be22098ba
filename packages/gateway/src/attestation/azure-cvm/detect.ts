import type { PlatformFiles } from '../certificate-folder.ts';
import { readOptional } from '../certificate-folder.ts';
import type { Tpm, TpmAddress } from '../tpm/api.ts';
import { detectTpm, type TpmSurroundings } from '../tpm/detect.ts';
import { TpmError } from '../tpm/error.ts';
import type { Detection } from '../types.ts';
import { HCL_INDEX } from './paravisor-report.ts';

/** What looking for a confidential VM of Azure needs of the machine. */
export interface AzureSurroundings {
  files: PlatformFiles;
  tpm: TpmSurroundings;
  openTpm: (address: TpmAddress) => Tpm;
}

/** Every VM of Azure has this asset tag (Azure documentation; cloud-init and systemd tell it by the same). */
const ASSET_TAG = '7783-7084-3265-9085-8269-3286-77';
const ASSET_TAG_FILE = '/sys/class/dmi/id/chassis_asset_tag';
const ASSET_TAG_MOST = 256;

/**
 * Whether this is a confidential VM of Azure. Outside of it a TPM says the same as inside, so on Azure alone the virtual TPM is asked
 * whether it has the paravisor's report.
 */
export async function detectAzureCvm(
  address: TpmAddress,
  machine: AzureSurroundings,
): Promise<Detection & { kind: 'azure-cvm' }> {
  const { bytes } = await readOptional(ASSET_TAG_FILE, ASSET_TAG_MOST, machine.files);
  const tag = bytes === null ? '' : new TextDecoder().decode(bytes).trim();
  if (tag !== ASSET_TAG) return lacking('this is no virtual machine of Azure', null);
  const tpm = await detectTpm(address, machine.tpm);
  if (!tpm.available) return lacking(`its virtual TPM is needed: ${tpm.reason}`, tpm.remedy);
  const has = await hasReport(machine.openTpm(address));
  if (has !== true) return lacking(has, null);
  return { kind: 'azure-cvm', available: true, reason: 'the virtual TPM has the report of a paravisor', remedy: null };
}

function lacking(reason: string, remedy: string | null): Detection & { kind: 'azure-cvm' } {
  return { kind: 'azure-cvm', available: false, reason, remedy };
}

/** true, or why not. */
async function hasReport(tpm: Tpm): Promise<true | string> {
  try {
    const found = await tpm.run((commands) => commands.nvReadPublic(HCL_INDEX));
    return found === null ? 'this virtual machine of Azure is not a confidential one' : true;
  } catch (error) {
    if (!(error instanceof TpmError)) throw error;
    return error.message;
  } finally {
    await tpm.close();
  }
}
