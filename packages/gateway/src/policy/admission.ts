import { policyKeyId, readSuccession, verifyBundleSignature } from '@cmcp/evidence';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import { type Activated, keyInForce, type Standing, successorOf } from './standing.ts';
import { dottedVersion, laterVersion } from './version.ts';

export type Pins = Pick<Config['policy'], 'pin' | 'key'>;

/** Of a loaded bundle: what decides whether it may be put in force. */
export interface Candidate {
  hash: string;
  version: string;
  signature: string | null;
}

/**
 * Whether a bundle may be put in force under these pins on this store (D-15, D-16); answers with the id of the key that signed it, null
 * where none is pinned: a hash alone names one bundle, always, and is held against it when that is loaded. A key lets in what it signed,
 * never older than before; with a hash beside it, that is the first bundle, and later ones come after it.
 *
 * @throws GatewayError POLICY_HASH_MISMATCH, POLICY_SIGNATURE_INVALID, POLICY_KEY_REVOKED, POLICY_VERSION_OLD, POLICY_INVALID
 */
export async function admitBundle(pins: Pins, standing: Standing, bundle: Candidate): Promise<string | null> {
  if (pins.key === null) return null;
  const signer = await requireSigned(pins.key, standing, bundle);
  requireAge(pins.pin, standing.activated, bundle);
  return policyKeyId(signer);
}

/** @throws GatewayError POLICY_HASH_MISMATCH */
export function requireHash(pin: string | null, hash: string): void {
  if (pin !== null && pin !== hash) throw new GatewayError('POLICY_HASH_MISMATCH', `pinned ${pin}, found ${hash}`);
}

async function requireSigned(pinned: string, standing: Standing, bundle: Candidate): Promise<string> {
  const key = keyInForce(standing, pinned);
  if (key === null) throw revoked(`the key ${policyKeyId(pinned)} is revoked and no successor of it is trusted`);
  const { signature } = bundle;
  if (signature === null)
    throw unsigned('manifest.json has no "signature", and policy.key is pinned; `cmcp policy sign` adds one');
  if (await signed(bundle.hash, signature, key)) return key;
  if (await signedByRevoked(pinned, standing, bundle.hash, signature))
    throw revoked(`the bundle ${bundle.hash} is signed by a key that is revoked; sign it with ${policyKeyId(key)}`);
  const successor = successorOf(standing.successions, policyKeyId(key));
  if (successor !== undefined && (await signed(bundle.hash, signature, successor)))
    throw unsigned(
      `the bundle is signed by the successor of ${policyKeyId(key)}, which is still trusted: revoke it first`,
    );
  throw unsigned(`the signature in manifest.json is not that of ${policyKeyId(key)} over ${bundle.hash}`);
}

/** For the message only: whoever has a revoked key is told so. */
async function signedByRevoked(pinned: string, standing: Standing, hash: string, signature: string): Promise<boolean> {
  const keys = [pinned, ...standing.successions.map((statement) => readSuccession(statement).successor)];
  for (const key of keys) {
    if (standing.revoked.includes(policyKeyId(key)) && (await signed(hash, signature, key))) return true;
  }
  return false;
}

async function signed(hash: string, signature: string, key: string): Promise<boolean> {
  return (await verifyBundleSignature(hash, signature, key)) === 'valid';
}

function requireAge(pin: string | null, activated: Activated | null, { hash, version }: Candidate): void {
  const numbers = dottedVersion(version);
  if (numbers === null)
    throw new GatewayError(
      'POLICY_INVALID',
      `manifest.json: "version" is ${version}; with policy.key it must be integers joined by dots`,
    );
  if (activated === null) {
    requireHash(pin, hash);
    return;
  }
  if (laterVersion(numbers, dottedVersion(activated.version) ?? [])) return;
  if (hash !== activated.hash) {
    const newest = `version ${activated.version} (${activated.hash}) was activated before`;
    throw new GatewayError('POLICY_VERSION_OLD', `${newest}, and version ${version} (${hash}) is not later`);
  }
  // A hash that was pinned since asks for its own bundle, or a later one.
  if (pin !== activated.pin) requireHash(pin, hash);
}

function unsigned(detail: string): GatewayError {
  return new GatewayError('POLICY_SIGNATURE_INVALID', detail);
}

function revoked(detail: string): GatewayError {
  return new GatewayError('POLICY_KEY_REVOKED', detail);
}
