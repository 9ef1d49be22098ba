import { readDer } from '../../crypto/der.ts';
import type { Certificate } from '../../crypto/x509.ts';
import { FormatError } from '../../format-error.ts';
import { PRODUCTS, type Product, type Tcb } from './product.ts';

/** Arc of AMD's extensions (Versioned Chip Endorsement Key certificate and KDS interface specification, 57230). */
const AMD = '1.3.6.1.4.1.3704.1';
const RESERVED_LEVELS = [4, 5, 6, 7];

/** The certificate of a key that signs reports, with what AMD's extensions say of it. */
export interface Endorsement {
  certificate: Certificate;
  /** `vcek`: the key of a chip at a TCB version. `vlek`: a key that a cloud provider has loaded. By the subject. */
  kind: 'vcek' | 'vlek';
  product: Product;
  tcb: Tcb;
  /** The chip, which a VCEK names and a VLEK does not. */
  hwid: Uint8Array<ArrayBuffer> | null;
  /** The cloud provider, which a VLEK names and a VCEK does not. */
  cspId: string | null;
}

/** Reads what a VCEK or VLEK certificate says. Nothing of it is believed before its chain is verified. @throws FormatError */
export function readEndorsement(certificate: Certificate): Endorsement {
  const kind = kindOf(certificate);
  const product = productName(required(certificate, '2', 'product name'));
  const hwid = certificate.extensions.get(`${AMD}.4`)?.value ?? null;
  const csp = certificate.extensions.get(`${AMD}.5`)?.value ?? null;
  return {
    certificate,
    kind,
    product,
    tcb: levels(certificate, product),
    hwid: hwid === null ? null : chipOf(hwid, product),
    cspId: csp === null ? null : readDer(csp, 'CSP_ID extension').text(),
  };
}

function kindOf({ subject }: Certificate): 'vcek' | 'vlek' {
  if (subject.commonName === 'SEV-VCEK') return 'vcek';
  if (subject.commonName === 'SEV-VLEK') return 'vlek';
  throw new FormatError(`the certificate is of ${subject.text}, which is neither a VCEK nor a VLEK`);
}

function required({ extensions }: Certificate, arc: string, name: string): Uint8Array<ArrayBuffer> {
  const extension = extensions.get(`${AMD}.${arc}`);
  if (extension === undefined) throw new FormatError(`the certificate has no ${name} extension`);
  return extension.value;
}

/** `Milan-B0`: a product line and, for a chip, its stepping. */
function productName(value: Uint8Array<ArrayBuffer>): Product {
  const name = readDer(value, 'product name extension').text();
  const product = PRODUCTS.find((each) => name === each || name.startsWith(`${each}-`));
  if (product === undefined) throw new FormatError(`the certificate is of a product that is not known: ${name}`);
  return product;
}

function levels(certificate: Certificate, product: Product): Tcb {
  const level = (arc: number, name: string): number => {
    const value = readDer(required(certificate, `3.${arc}`, name), `${name} extension`).integer();
    if (value < 0n || value > 255n) throw new FormatError(`the ${name} in the certificate is not a byte`);
    return Number(value);
  };
  for (const arc of product === 'Turin' ? RESERVED_LEVELS : [...RESERVED_LEVELS, 9]) {
    if (!certificate.extensions.has(`${AMD}.3.${arc}`)) continue;
    if (level(arc, `reserved level ${arc}`) !== 0) throw new FormatError(`a reserved level of ${product} is not zero`);
  }
  const tcb = {
    bootloader: level(1, 'bootloader level'),
    tee: level(2, 'TEE level'),
    snp: level(3, 'SNP level'),
    microcode: level(8, 'microcode level'),
  };
  return product === 'Turin' ? { fmc: level(9, 'FMC level'), ...tcb } : tcb;
}

/** HWID is raw bytes in most certificates and an OCTET STRING in some: the length says which. */
function chipOf(value: Uint8Array<ArrayBuffer>, product: Product): Uint8Array<ArrayBuffer> {
  const length = product === 'Turin' ? 8 : 64;
  const hwid = value.length === length + 2 ? readDer(value, 'HWID extension').octetString() : value;
  if (hwid.length !== length)
    throw new FormatError(`a HWID of ${product} has ${length} bytes, this has ${hwid.length}`);
  return hwid;
}
