import { type CertificateTerms, certificate, type TestCertificate } from './certificate.ts';

/** What a workload shows: its chain, leaf first, and its key. */
export interface Svid {
  cert: string;
  key: string;
}

type Authority = TestCertificate & { name: string };

/** Bits of the key usage: may sign; may issue certificates and lists. */
export const SIGNS = 0x80;
export const ISSUES = 0x06;

/** What every good X509-SVID of these tests says. */
export const GOOD: CertificateTerms = { nowhere: true, usage: SIGNS, purposes: ['server', 'client'] };

/** A certificate that issues others. */
export function authority(name: string, terms: CertificateTerms = {}): Authority {
  return { ...certificate(name, { authority: true, nowhere: true, usage: ISSUES, ...terms }), name };
}

/** The authorities of one trust domain, a root and one below it, and the workloads that they name. */
export class TrustDomain {
  readonly name: string;
  readonly root: Authority;
  readonly issuing: Authority;

  constructor(name: string) {
    this.name = name;
    this.root = authority(`${name} root`);
    this.issuing = authority(`${name} issuing`, { issuer: this.root });
  }

  /** The SVID of a path below the trust domain, on other terms where given. */
  svid(path: string, terms: CertificateTerms = {}): Svid {
    const uris = [`spiffe://${this.name}${path}`];
    const leaf = certificate('workload', { ...GOOD, uris, issuer: this.issuing, ...terms });
    return { cert: leaf.cert + this.issuing.cert, key: leaf.key };
  }
}

/** DER of a certificate in PEM. */
export function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
}
