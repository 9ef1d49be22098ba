import {
  type Condition,
  type Config,
  type Detection,
  type EvidenceProvider,
  GatewayError,
  ok,
  problem,
  warning,
} from '@cmcp/gateway';
import type { DoctorSystem } from './system.ts';

/** What can vouch for this machine, and whether it convinces. */
export async function evidenceConditions(system: DoctorSystem, config: Config): Promise<Condition[]> {
  const { provider } = config.attestation;
  if (provider === 'software-only') return [softwareOnly(config)];
  const detections = await system.detect(config);
  const wanted = provider === 'auto' ? detections : detections.filter(({ kind }) => kind === provider);
  const usable = wanted.some(({ available }) => available);
  const conditions = detections.map((each) => detected(each, each.kind === provider, usable));
  if (!usable) return [...conditions, nothing(config)];
  return [...conditions, ...(await convincing(system, config))];
}

function detected({ kind, available, reason, remedy }: Detection, named: boolean, usable: boolean): Condition {
  if (available) return ok(kind, reason);
  if (named) return problem(kind, reason, remedy ?? 'Set `attestation.provider` to what this machine has, or to auto.');
  // What is not here matters only as long as nothing else is.
  return usable || remedy === null ? ok(kind, `not here: ${reason}`) : warning(kind, reason, `To use it: ${remedy}.`);
}

function softwareOnly({ dev }: Config): Condition {
  if (dev) return warning('evidence', 'software-only, as configured: it proves nothing about the machine', null);
  return problem('evidence', '`attestation.provider` is software-only, and dev mode is off', 'Set it to auto.');
}

function nothing({ dev }: Config): Condition {
  const found = 'nothing here vouches for the machine';
  const fix = 'Run the gateway on a machine with a TPM, or in a confidential VM.';
  return dev ? warning('evidence', `${found}; dev mode goes on without`, fix) : problem('evidence', found, fix);
}

/** Asks for evidence as starting does, and lets the gateway's own verification judge it. */
async function convincing(system: DoctorSystem, config: Config): Promise<Condition[]> {
  try {
    const { provider, trustLevel, why } = await system.tryEvidence(config);
    await provider?.close();
    if (provider === null) return [warning('evidence', why, null)];
    const verified = ok('evidence', `was asked for and verified: trust level ${trustLevel} (${why})`);
    return [verified, able(provider, config)];
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return [problem('evidence', error.detail, `docs/errors.md explains ${error.code}.`)];
  }
}

/** What the platform can do besides evidence, and whether the configured launch needs more. */
function able({ kind, capabilities }: EvidenceProvider, { attestation }: Config): Condition {
  if (attestation.launch === 'ML1' && !capabilities.runtimeExtend)
    return problem(
      'platform',
      `\`attestation.launch\` is ML1, and ${kind} has no register here that a launch could be recorded in`,
      'Set ML3 if the measurement covers the whole image, otherwise ML0; docs/attestation.md explains both.',
    );
  const said = (can: boolean) => (can ? 'yes' : 'no');
  const { runtimeExtend, sealing, rollbackCounter } = capabilities;
  const found = `records a launch: ${said(runtimeExtend)}; seals keys: ${said(sealing)}; counts against older copies: ${said(rollbackCounter)}`;
  return ok('platform', `${kind} ${found}`);
}
