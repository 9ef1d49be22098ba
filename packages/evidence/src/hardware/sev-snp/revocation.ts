import { checkCrl, isRevoked, readCrl } from '../../crypto/crl.ts';
import type { Certificate } from '../../crypto/x509.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { reading } from '../files.ts';
import type { AmdChain } from './verify.ts';

/**
 * Whether AMD has revoked a certificate of the chain. The CRL is worth something only when the root of this chain signed it and it
 * is in force at `at`: an unsigned, foreign or expired list is a failure, not an absence.
 */
export async function revocation(
  crl: Uint8Array<ArrayBuffer> | undefined,
  leaf: Certificate,
  chain: AmdChain,
  at: number,
): Promise<Finding> {
  if (crl === undefined) return notChecked('no revocation list was supplied', '--file crl=FILE');
  const parsed = reading(() => readCrl(crl));
  if (parsed.problem !== null) return failed(`the revocation list cannot be read: ${parsed.problem}`);
  const problem = await checkCrl(parsed.value, chain.root, at);
  if (problem !== null) return failed(`the revocation list is not one to rely on: ${problem}`);
  const name = chain.root.subject.commonName ?? chain.root.subject.text;
  if (isRevoked(parsed.value, chain.issuer)) return failed(`${name} has revoked ${chain.issuer.subject.text}`);
  // The list is of what the root issued, which the leaf is not. Its serial number in there is not expected, and refused.
  if (parsed.value.revoked.has(leaf.serial)) return failed(`${name} has revoked serial number ${leaf.serial}`);
  return proven('the root has revoked no certificate of the chain', `the list of ${name}`);
}
