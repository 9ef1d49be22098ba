import type { PublicKey } from '../../crypto/key.ts';
import { verifySignature } from '../../crypto/signature.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';

/**
 * Whether `key` signed `message`. Every signature of TDX evidence is ECDSA with SHA-256, r and s 32 bytes each, which fits keys on
 * P-256 and no others.
 *
 * @param said whose key it is and what it signed, for the answer
 */
export async function p256Signature(
  key: PublicKey,
  signature: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
  said: { by: string; what: string },
): Promise<Finding> {
  const result = await verifySignature(key, { kind: 'ecdsa', hash: 'sha256' }, signature, message);
  if (result === 'unsupported') return notChecked('this engine cannot check ECDSA on P-256', 'another engine');
  return result === 'valid'
    ? proven(`${said.by} signed ${said.what}`, said.by)
    : failed(`${said.by} did not sign ${said.what}`, said.by);
}
