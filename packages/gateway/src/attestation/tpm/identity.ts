import type { Certificate } from '@cmcp/evidence';
import { chainUpwards } from '../certificate-chain.ts';
import type { Tpm } from './api.ts';
import { type AttestationKey, chooseKey } from './attestation-key.ts';
import { ALG } from './constants.ts';
import { orAttestationFailed, tpmFailed } from './failure.ts';
import { endorsementCertificates } from './nv-certificates.ts';
import { isSoftwareTpm } from './software-tpm.ts';

/** Who a TPM is: the key that it quotes with, and what vouches for that key and for the TPM. */
export interface Identity {
  key: AttestationKey;
  /** Of the key, leaf first, towards the root as far as certificates are at hand. Empty: nothing vouches for it. */
  chain: Certificate[];
  /** Of the endorsement key, in the same way. Empty: the TPM has no certificate. */
  endorsement: Certificate[];
  /** The TPM says of itself that it is a program. */
  isSoftware: boolean;
}

/** Certificates that are not in the TPM. */
export interface GivenCertificates {
  /** The operator's, for the key of this gateway; leaf first. Empty: none are configured. */
  named: readonly Certificate[];
  /** Issuers that makers publish. */
  pool: readonly Certificate[];
}

/**
 * Looks who the TPM is. No quote is made.
 *
 * @throws GatewayError ATTESTATION_FAILED when the TPM does not answer, or has not the key that was certified, or keeps
 * no registers in SHA-256
 */
export async function identify(
  tpm: Tpm,
  { named, pool }: GivenCertificates,
  report: (detail: string) => void,
): Promise<Identity> {
  const { banks, key, maker, isSoftware } = await orAttestationFailed(() =>
    tpm.run(async (commands) => ({
      banks: await commands.pcrBanks(),
      key: await chooseKey(commands, named[0] ?? null, report),
      maker: await endorsementCertificates(commands, report),
      isSoftware: await isSoftwareTpm(commands),
    })),
  );
  if (!banks.includes(ALG.sha256))
    throw tpmFailed('has no active SHA-256 bank of registers; switch that bank on in the firmware settings');
  const issuers = [...named, ...pool, ...(maker?.issuers ?? [])];
  return {
    key,
    chain: key.certificate === null ? [] : await chainUpwards(key.certificate, issuers),
    endorsement: maker === null ? [] : await chainUpwards(maker.leaf, issuers),
    isSoftware,
  };
}
