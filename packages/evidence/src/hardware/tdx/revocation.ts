import { checkCrl, isRevoked, readCrl } from '../../crypto/crl.ts';
import { samePublicKey } from '../../crypto/key.ts';
import { type Certificate, readCertificates } from '../../crypto/x509.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { reading } from '../files.ts';

/** A list of revoked certificates, and what it is asked about. */
export interface RevocationQuestion {
  /** As the answer names it, e.g. `the CRL of the PCK CA`. */
  name: string;
  role: string;
  crl: Uint8Array<ArrayBuffer> | undefined;
  /** Who must have signed it; null when no chain to a trusted root is known. */
  issuer: Certificate | null;
  /** The certificates of this issuer that the evidence rests on. */
  certificates: readonly Certificate[];
  at: number;
}

/** Whether none of the certificates is on the list, the list being signed by their issuer and fresh: any other list says nothing. */
export async function revocation(question: RevocationQuestion): Promise<Finding> {
  const { name, role, crl, issuer, certificates, at } = question;
  if (crl === undefined) {
    return notChecked(`${name} was not supplied: revocation is not checked`, `the file of role ${role}`);
  }
  const read = reading(() => readCrl(crl));
  if (read.problem !== null) return failed(`${name}: ${read.problem}`);
  if (issuer === null) return notChecked(`${name} cannot be checked without a PCK chain to a trusted root`);
  const list = read.value;
  const problem = await checkCrl(list, issuer, at);
  if (problem !== null) return failed(problem);
  const revoked = certificates.find((certificate) => isRevoked(list, certificate));
  if (revoked !== undefined) return failed(`the certificate ${revoked.subject.text} is revoked by its issuer`);
  return proven(`${name} is signed and fresh, and revokes nothing that this evidence rests on`, issuer.subject.text);
}

/** Whether the chain that came with a CRL is that of `issuer`. */
export function crlChainProblem(chain: Uint8Array<ArrayBuffer>, issuer: Certificate): string | null {
  const read = reading(() => readCertificates(chain));
  if (read.problem !== null) return `the chain of the PCK CRL: ${read.problem}`;
  const [first] = read.value;
  const same = first !== undefined && samePublicKey(first.key, issuer.key);
  return same ? null : 'the chain of the PCK CRL is that of another CA than the one that issued the PCK certificate';
}
