import { type Certificate, issued, issuedItself, verifySigned } from '@cmcp/evidence';

/** Longer than any chain of a maker. */
const MOST_CERTIFICATES = 8;

/**
 * The certificates from `leaf` towards its root, leaf first, as far as `pool` has them: each signed the one before. Whether the root
 * is one to trust is for those who verify.
 */
export async function chainUpwards(leaf: Certificate, pool: readonly Certificate[]): Promise<Certificate[]> {
  const chain = [leaf];
  let top = leaf;
  while (!issuedItself(top) && chain.length < MOST_CERTIFICATES) {
    const issuer = await issuerOf(top, pool);
    if (issuer === null) break;
    chain.push(issuer);
    top = issuer;
  }
  return chain;
}

/** Whether the chain goes up to a root. */
export function isComplete(chain: readonly Certificate[]): boolean {
  const top = chain.at(-1);
  return top !== undefined && issuedItself(top);
}

/** Several authorities have had the same name (Azure's virtual TPM CAs are renewed under theirs), so the signature decides. */
async function issuerOf(certificate: Certificate, pool: readonly Certificate[]): Promise<Certificate | null> {
  for (const candidate of pool.filter((each) => issued(each, certificate))) {
    if ((await verifySigned(candidate.key, certificate)) === 'valid') return candidate;
  }
  return null;
}

/** PEM, in order (RFC 7468). */
export function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ der }) => pemBlock('CERTIFICATE', der)).join('');
}

/** One block of PEM. */
export function pemBlock(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
