import { randomBytes } from 'node:crypto';
import { platform, release } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/types.ts';
import { systemTimers } from '../timers.ts';
import { detectAzureCvm } from './azure-cvm/detect.ts';
import { azureMetadata } from './azure-cvm/metadata-service.ts';
import { openAzureCvmProvider } from './azure-cvm/provider.ts';
import type { Platforms } from './choose.ts';
import { CollateralFolder } from './collateral/folder.ts';
import { detectTpm, tpmSurroundings } from './tpm/detect.ts';
import { openTpmProvider } from './tpm/provider.ts';
import { openTpm } from './tpm/tpm.ts';
import { detectSevSnp, detectTdx } from './tsm/detect.ts';
import { systemTsmFs } from './tsm/fs.ts';
import { openSevSnpProvider } from './tsm/sev-snp.ts';
import { openTdxProvider } from './tsm/tdx.ts';

/** Issuers of attestation keys of TPMs, in the folder of collateral. */
const TPM_ISSUERS = 'tpm';

/**
 * The platforms of this machine, as the configuration points to them.
 *
 * @param report is told, in plain words, what evidence lacks and why
 * @param kernel release of the Linux kernel; null on another system
 */
export function systemPlatforms(
  { attestation: { tpm, collateral: folder } }: Pick<Config, 'attestation'>,
  report: (detail: string) => void,
  kernel: string | null = platform() === 'linux' ? release() : null,
): Platforms {
  const fs = systemTsmFs;
  const machine = { fs, base: '', random: (bytes: number) => randomBytes(bytes), timers: systemTimers, kernel };
  const collateral = new CollateralFolder(folder, fs);
  const { address } = tpm;
  return {
    detect(kind) {
      if (kind === 'sev-snp') return detectSevSnp(machine);
      if (kind === 'tdx') return detectTdx(machine);
      if (kind === 'tpm') return detectTpm(address);
      return detectAzureCvm(address, { files: fs, tpm: tpmSurroundings, openTpm });
    },
    open(kind) {
      if (kind === 'sev-snp') return openSevSnpProvider({ ...machine, collateral });
      if (kind === 'tdx') return openTdxProvider({ ...machine, collateral });
      if (kind === 'azure-cvm')
        return openAzureCvmProvider({ tpm: openTpm(address), collateral, metadata: azureMetadata() });
      const { akCertificate, eventLog } = tpm;
      const issuers = join(folder, TPM_ISSUERS);
      return openTpmProvider({ tpm: openTpm(address), akCertificate, eventLog, issuers, files: fs, report });
    },
  };
}
