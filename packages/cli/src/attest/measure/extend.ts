import { decodeHex } from '@cmcp/evidence';
import type { EvidenceProvider, GatewayMeasurement } from '@cmcp/gateway';
import { type Io, RefusedError } from '../../io.ts';

/** What became of the launch register. */
export interface Extended {
  /** Such as `PCR 13`. */
  register: string;
  /** Lower-case hex. */
  value: string;
  /** False when it held exactly this already. */
  now: boolean;
}

/** Records the measurement in the launch register of this machine. */
export async function extendRegister(file: string, { digest }: GatewayMeasurement, io: Io): Promise<Extended> {
  const { choosePlatform, readConfigWithoutSecrets, readEnvironment, systemPlatforms } = await import('@cmcp/gateway');
  const config = await readConfigWithoutSecrets(file, readEnvironment(io.variables));
  const platforms = systemPlatforms(config, (detail) => io.err(`${detail}\n`));
  const { provider } = await choosePlatform(config.attestation.provider, config.dev, platforms);
  if (provider === null) throw new RefusedError('this machine has no launch register: it has no attestation hardware');
  try {
    return await recordOnce(provider, decodeHex(digest.slice('sha256:'.length)));
  } finally {
    await provider.close();
  }
}

/**
 * Extends the launch register with `digest` (32 bytes) when nobody has extended it. A register that is extended twice stands for
 * nothing that anyone expects, and only a restart of the machine takes an extension back.
 *
 * @throws RefusedError when there is no such register, or it holds something else
 */
export async function recordOnce(
  provider: Pick<EvidenceProvider, 'kind' | 'launchRegister' | 'extend'>,
  digest: Uint8Array,
): Promise<Extended> {
  const before = await provider.launchRegister();
  if (before === null) throw new RefusedError(`${provider.kind} has no launch register that a program can extend`);
  const { name: register, value } = before;
  const expected = before.after(digest);
  if (value === expected) return { register, value, now: false };
  if (!/^0+$/.test(value)) throw new RefusedError(occupied(register, value));
  await provider.extend(digest);
  const after = await provider.launchRegister();
  if (after?.value === expected) return { register, value: expected, now: true };
  throw new RefusedError(
    `${register} holds ${after?.value ?? 'nothing'} instead of ${expected}: somebody else extended it too`,
  );
}

function occupied(register: string, value: string): string {
  return (
    `${register} holds ${value} already: another measurement, or what the boot loader wrote there (systemd-stub writes system extensions to PCR 13).` +
    ' Nothing was extended. If the gateway or its configuration changed, restart the machine and record it anew.'
  );
}
