import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import { choosePlatform, type Platforms } from './choose.ts';
import { appraiseOwnEvidence, readRoots } from './self-appraisal.ts';
import type { EvidenceProvider, TrustLevel } from './types.ts';

/** What vouches for this machine, as it was found when the gateway started. */
export interface Platform {
  /** null: nothing but a software key. */
  provider: EvidenceProvider | null;
  /** As claims name it. */
  platform: string;
  trustLevel: TrustLevel;
  /** What was chosen and why, for operators. */
  why: string;
}

export interface PlatformEffects {
  platforms: Platforms;
  /** Microseconds since the epoch. */
  nowMicros: () => number;
  randomBytes: (length: number) => Uint8Array<ArrayBuffer>;
}

const SOFTWARE = { provider: null, platform: 'software-only', trustLevel: 'software' } as const;

/**
 * Opens the platform and lets the gateway judge its own evidence. Outside dev mode evidence that nobody could accept is refused at
 * start (D-40, W-36): an attestation key that nothing certifies proves no more than a software key.
 *
 * @throws GatewayError ATTESTATION_UNAVAILABLE, ATTESTATION_FAILED, CONFIG_INVALID
 */
export async function openPlatform(config: Config, effects: PlatformEffects): Promise<Platform> {
  const { provider: wanted, roots } = config.attestation;
  const { provider, why } = await choosePlatform(wanted, config.dev, effects.platforms);
  if (provider === null) return { ...SOFTWARE, why };
  try {
    const bound = effects.randomBytes(64);
    const at = Math.floor(effects.nowMicros() / 1e6);
    const own = await appraiseOwnEvidence(provider, await readRoots(roots), bound, at);
    if (own.trustLevel !== 'unverified')
      return { provider, platform: own.platform, trustLevel: own.trustLevel, why: because(why, own.shortcoming) };
    if (!config.dev) throw unaccepted(provider.kind, own.shortcoming);
    // What was asked for by name is used; what was only found is not worth more than a software key.
    if (wanted !== 'auto')
      return { provider, platform: own.platform, trustLevel: 'unverified', why: because(why, own.shortcoming) };
    await provider.close();
    return {
      ...SOFTWARE,
      why: `software-only, because the evidence of ${provider.kind} would convince nobody: ${own.shortcoming}`,
    };
  } catch (error) {
    await provider.close();
    throw error;
  }
}

function because(why: string, shortcoming: string | null): string {
  return shortcoming === null ? why : `${why}; ${shortcoming}`;
}

function unaccepted(kind: string, shortcoming: string | null): GatewayError {
  const remedy =
    kind === 'tpm' || kind === 'azure-cvm'
      ? '`cmcp attest enroll` gets a certificate for the attestation key; name its root in `attestation.roots`'
      : '`cmcp attest fetch-collateral` gets the certificates';
  return new GatewayError(
    'ATTESTATION_UNAVAILABLE',
    `${kind} is here, and its evidence would convince nobody: ${shortcoming ?? 'it ends in no known root'}. ${remedy}`,
  );
}

/**
 * Where the launch is said to be measured, the register that a measured loader records the gateway in must hold this gateway and
 * nothing else (attestation.md section 10). It shows that the loader ran, to whoever trusts the boot chain.
 *
 * @param measurement `sha256:…` of this gateway
 * @throws GatewayError ATTESTATION_UNAVAILABLE
 */
export async function checkLaunch(
  config: Config,
  provider: EvidenceProvider | null,
  measurement: string,
): Promise<void> {
  if (config.attestation.launch !== 'ML1') return;
  const register = (await provider?.launchRegister()) ?? null;
  if (register === null)
    throw new GatewayError(
      'ATTESTATION_UNAVAILABLE',
      '`attestation.launch` is ML1, and this platform has no register for it',
    );
  const expected = register.after(Buffer.from(measurement.replace(/^sha256:/, ''), 'hex'));
  if (register.value === expected) return;
  throw new GatewayError(
    'ATTESTATION_UNAVAILABLE',
    `\`attestation.launch\` is ML1, and ${register.name} holds ${register.value} instead of ${expected}: the measured loader recorded no gateway, or another one. \`cmcp attest measure --extend\` is what it should run, once per boot`,
  );
}
