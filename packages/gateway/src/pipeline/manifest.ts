import { GatewayError } from '../errors.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/**
 * The session's manifest still holds: it is verified when a session begins, and may expire or be revoked while that is open.
 *
 * @throws GatewayError MANIFEST_REFUSED
 */
export async function requireManifest(
  { clock }: Pick<PathDeps, 'clock'>,
  { session }: Pick<CallRecord, 'session'>,
): Promise<void> {
  const { manifest, authority } = session;
  if (manifest === null) return;
  const { from, until, identity } = manifest;
  const now = clock.nowMicros();
  if (now < from || now >= until) throw new GatewayError('MANIFEST_REFUSED', 'the manifest is not in force any more');
  if (await authority.manifests.revocations?.names(identity.manifest_id))
    throw new GatewayError('MANIFEST_REFUSED', `the manifest ${identity.manifest_id} is on the revocation list`);
}

/**
 * What is asked for is among what the issuer named (AARM-R3). Structural: names are compared, in every mode, and nothing that a
 * caller says of its intent counts (AARM-R2).
 *
 * @throws GatewayError INTENT_SCOPE
 */
export function requireIntent({ session }: CallRecord, { item }: Plan): void {
  if (session.manifest === null || session.manifest.scope(item)) return;
  throw new GatewayError('INTENT_SCOPE', `${item.name} is not among what the manifest of this agent names`);
}
