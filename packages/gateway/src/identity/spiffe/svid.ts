import { type Certificate, uriNames } from '@cmcp/evidence';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_PURPOSE = '2.5.29.37.0';
const NAME_CONSTRAINTS = '2.5.29.30';

/**
 * What keeps a certificate from being an X509-SVID, whatever chain it has (SPIFFE X509-SVID sections 2, 4 and 5), or null: one
 * URI name and no other, no authority itself, and a key that may sign and may issue nothing.
 *
 * @throws FormatError when its names cannot be read
 */
export function svidProblem(certificate: Certificate): string | null {
  const uris = uriNames(certificate).length;
  if (uris !== 1) return `the certificate has ${uris} URI names, where an X509-SVID has one`;
  const { ca, keyUsage } = certificate;
  if (ca) return 'the certificate with the SPIFFE id is that of an authority';
  if (keyUsage === null || !keyUsage.has('digitalSignature')) return 'the key with the SPIFFE id may not sign';
  if (keyUsage.has('keyCertSign') || keyUsage.has('cRLSign')) return 'the key with the SPIFFE id may issue';
  return null;
}

/**
 * What keeps the chain of a client from being taken, which signatures and validity do not: purposes that leave out clients (those of
 * an authority are inherited), authorities that do not say that they issue, names that an authority is bound to (which are not evaluated
 * here), and SHA-1.
 */
export function chainProblem(path: readonly Certificate[], weak: boolean): string | null {
  if (weak) return 'a signature in the chain is over SHA-1';
  const constrained = path.some(({ extensions }) => extensions.has(NAME_CONSTRAINTS));
  if (constrained) return 'an authority in the chain has name constraints, which are not evaluated';
  // The authority of the bundle is trusted for what it is in the bundle for.
  const below = path.slice(0, -1);
  if (below.some(({ extendedKeyUsage: uses }) => uses.length > 0 && !forClients(uses)))
    return 'a certificate in the chain is not for TLS clients';
  if (below.slice(1).some(({ keyUsage }) => keyUsage === null || !keyUsage.has('keyCertSign')))
    return 'an authority in the chain does not say that it may issue';
  return null;
}

function forClients(uses: readonly string[]): boolean {
  return uses.includes(CLIENT_AUTH) || uses.includes(ANY_PURPOSE);
}
