import { encodeUtf8 } from '../bytes/utf8.ts';
import type { EvidenceFiles, TrustAnchor } from '../hardware/given.ts';
import type { Product, Tcb } from '../hardware/sev-snp/product.ts';
import {
  issueCertificate,
  issueCrl,
  newKeyPair,
  type TestCertificate,
  type TestExtension,
  type TestKeyKind,
  type TestKeyPair,
  testAnchor,
} from './pki.ts';

/** Fields of a made report. Everything has a default, which makes a report that is acceptable without a policy. */
export interface SnpFields {
  version?: 2 | 3 | 4 | 5;
  product?: Product;
  guestSvn?: number;
  /** POLICY: default SMT allowed and bit 17, nothing else. */
  policy?: bigint;
  vmpl?: number;
  /** PLATFORM_INFO: default SMT, ECC and alias check. */
  platformInfo?: bigint;
  signingKey?: 'vcek' | 'vlek' | 'none';
  chipKeyMasked?: boolean;
  authorKey?: boolean;
  /** At most 64 bytes; zeros follow. */
  reportData?: Uint8Array;
  /** 48 bytes. */
  measurement?: Uint8Array;
  /** 32 bytes. */
  hostData?: Uint8Array;
  /** 48 bytes. */
  idKeyDigest?: Uint8Array;
  /** 48 bytes. */
  authorKeyDigest?: Uint8Array;
  /** 64 bytes. */
  chipId?: Uint8Array;
  reported?: Tcb;
  committed?: Tcb;
  current?: Tcb;
  launch?: Tcb;
  /** CURRENT_MIT_VECTOR; in version 5. */
  mitigations?: bigint;
  /** What CPUID says; default that of the product. */
  cpuid?: readonly [family: number, model: number, stepping: number];
}

/** What the certificates say. Default: what the report says. */
export interface SnpCertificates {
  kind?: 'vcek' | 'vlek';
  product?: Product;
  tcb?: Tcb;
  /** HWID: null leaves it out. */
  hwid?: Uint8Array | null;
  /** CSP_ID: null leaves it out. */
  cspId?: string | null;
  /** AMD's extensions by their arc, e.g. `3.1`: the value, DER, in place of the usual one; null leaves it out. */
  extensions?: Readonly<Record<string, Uint8Array | null>>;
  /** Key of the leaf; AMD's are on P-384. */
  leafKeys?: 'p384' | 'p256';
  /** Common name of the leaf. */
  leafName?: string;
  /** Common name of the intermediate. */
  issuerName?: string;
  rootName?: string;
  /** Keys of root and intermediate; AMD's are 4096-bit RSA that sign with RSASSA-PSS. */
  caKeys?: TestKeyKind;
  /** Validity of the leaf, seconds since the epoch. */
  notBefore?: number;
  notAfter?: number;
  /** Serial number of the leaf, hex; AMD gives every VCEK the number 0. */
  serial?: string;
}

/** A revocation list to put beside: of the root, unless another key is to sign it. */
export interface SnpCrl {
  /** Serial numbers, hex. */
  revoked?: string[];
  thisUpdate?: number;
  nextUpdate?: number;
  signedBy?: 'root' | 'intermediate';
}

export interface SnpOptions extends SnpFields {
  certificates?: SnpCertificates;
  crl?: SnpCrl;
}

export interface MadeSnp {
  /** Roles report, `vcek` or `vlek`, chain, and crl when one was asked for. */
  files: EvidenceFiles & { report: Uint8Array<ArrayBuffer> };
  /** The generated root, as an anchor of source `test`. */
  root: TrustAnchor;
  /** Another report by the same key: the fields of the first one, with these changed. */
  report(changes: SnpFields): Promise<Uint8Array<ArrayBuffer>>;
}

/** Serial number of every generated ASK and ASVK, hex. */
export const INTERMEDIATE_SERIAL = '010001';

/** Validity of the generated certificates and lists, seconds since the epoch: 2024 to 2034. */
const FROM = Date.UTC(2024, 0, 1) / 1000;
const TO = Date.UTC(2034, 0, 1) / 1000;

const AMD = '1.3.6.1.4.1.3704.1';
const CPUID: Record<Product, readonly [number, number, number]> = {
  Milan: [0x19, 0x01, 1],
  Genoa: [0x19, 0x11, 1],
  Turin: [0x1a, 0x02, 1],
};

/** Keys of 4096 bits take seconds to make: one pair serves a process. */
const caKeys = memo((kind: TestKeyKind) => Promise.all([newKeyPair(kind), newKeyPair(kind)]));

/** Root and intermediate of these two names, the same throughout a process. */
const authorities = memo(async (plan: `${TestKeyKind}/${string}/${string}`) => {
  const [kind, rootName = '', issuerName = ''] = plan.split('/') as [TestKeyKind, string, string];
  const [rootKeys, issuerKeys] = await caKeys(kind);
  const validity = { notBefore: FROM, notAfter: TO };
  const ark = await issueCertificate({
    ...validity,
    subject: amdName(rootName),
    keys: rootKeys,
    serial: '010000',
    ca: true,
  });
  const ask = await issueCertificate({
    ...validity,
    subject: amdName(issuerName),
    keys: issuerKeys,
    issuer: ark,
    serial: INTERMEDIATE_SERIAL,
    ca: { pathLength: 0 },
  });
  return { ark, ask };
});

/**
 * Makes SEV-SNP evidence under a root of its own: a report with a true signature, a VCEK or VLEK certificate with AMD's
 * extensions, and its chain. It verifies under {@link MadeSnp.root} at any time from 2024 to 2033, and under no vendor's root.
 * Every call makes a new VCEK or VLEK; calls for one product and kind share their root.
 */
export async function makeSnp(options: SnpOptions = {}): Promise<MadeSnp> {
  const { certificates = {}, crl, ...fields } = options;
  const product = certificates.product ?? fields.product ?? 'Milan';
  const kind = certificates.kind ?? (fields.signingKey === 'vlek' ? 'vlek' : 'vcek');
  const rootName = certificates.rootName ?? `ARK-${product}`;
  const issuerName = certificates.issuerName ?? (kind === 'vcek' ? `SEV-${product}` : `SEV-VLEK-${product}`);
  const { ark, ask } = await authorities(`${certificates.caKeys ?? 'rsa4096-pss'}/${rootName}/${issuerName}`);
  const keys = await newKeyPair(certificates.leafKeys ?? 'p384');
  const leaf = await issueCertificate({
    notBefore: certificates.notBefore ?? FROM,
    notAfter: certificates.notAfter ?? TO,
    subject: amdName(certificates.leafName ?? `SEV-${kind.toUpperCase()}`),
    keys,
    issuer: ask,
    serial: certificates.serial ?? '00',
    extensions: amdExtensions(fields, certificates, product, kind),
  });
  const sign = (changes: SnpFields) => signReport(writeReport({ ...fields, ...changes }), keys);
  const files = {
    report: await sign({}),
    [kind]: leaf.der,
    chain: encodeUtf8(`${ask.pem}\n${ark.pem}\n`),
    ...(crl === undefined ? {} : { crl: await crlOf(crl, ark, ask) }),
  };
  return { files, root: testAnchor(ark, 'amd-sev'), report: sign };
}

/** The default TCB version: Turin has one component more. */
export function tcbOf(product: Product): Tcb {
  const tcb = { bootloader: 9, tee: 1, snp: 23, microcode: 72 };
  return product === 'Turin' ? { fmc: 1, ...tcb } : tcb;
}

/** An unsigned report. */
function writeReport(fields: SnpFields): Uint8Array<ArrayBuffer> {
  const { version = 3, product = 'Milan', signingKey = 'vcek' } = fields;
  const bytes = new Uint8Array(0x4a0);
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: Uint8Array | undefined): void => bytes.set(value ?? new Uint8Array(), at);
  const tcb = (at: number, value: Tcb = tcbOf(product)): void => put(at, writeTcb(value, product));
  view.setUint32(0x00, version, true);
  view.setUint32(0x04, fields.guestSvn ?? 0, true);
  view.setBigUint64(0x08, fields.policy ?? 0x30000n, true);
  view.setUint32(0x30, fields.vmpl ?? 0, true);
  view.setUint32(0x34, 1, true);
  view.setBigUint64(0x40, fields.platformInfo ?? 0x25n, true);
  const key = { vcek: 0, vlek: 1, none: 7 }[signingKey] << 2;
  view.setUint32(0x48, key | (fields.chipKeyMasked ? 2 : 0) | (fields.authorKey ? 1 : 0), true);
  put(0x50, fields.reportData);
  put(0x90, fields.measurement ?? new Uint8Array(48).fill(0x6d));
  put(0xc0, fields.hostData);
  put(0xe0, fields.idKeyDigest);
  put(0x110, fields.authorKeyDigest);
  put(0x140, new Uint8Array(32).fill(0x72));
  put(0x160, new Uint8Array(32).fill(0xff));
  tcb(0x38, fields.current);
  tcb(0x180, fields.reported);
  tcb(0x1e0, fields.committed ?? fields.reported);
  tcb(0x1f0, fields.launch);
  if (version > 2) put(0x188, Uint8Array.from(fields.cpuid ?? CPUID[product]));
  put(0x1a0, chipOf(fields));
  put(0x1e8, Uint8Array.of(29, 55, 1, 0, 29, 55, 1, 0));
  if (version === 5) view.setBigUint64(0x200, fields.mitigations ?? 0n, true);
  return bytes;
}

/** The report with its signature, little-endian as the firmware writes it. */
async function signReport(report: Uint8Array<ArrayBuffer>, keys: TestKeyPair): Promise<Uint8Array<ArrayBuffer>> {
  const signature = await keys.sign(report.slice(0, 0x2a0));
  const signed = report.slice();
  signed.set(signature.subarray(0, 48).toReversed(), 0x2a0);
  signed.set(signature.subarray(48).toReversed(), 0x2e8);
  return signed;
}

function chipOf({ chipId, product }: SnpFields): Uint8Array {
  if (chipId !== undefined) return chipId;
  return product === 'Turin' ? new Uint8Array(8).fill(0xc4) : new Uint8Array(64).fill(0xc4);
}

function writeTcb({ fmc = 0, bootloader, tee, snp, microcode }: Tcb, product: Product): Uint8Array {
  if (product === 'Turin') return Uint8Array.of(fmc, bootloader, tee, snp, 0, 0, 0, microcode);
  return Uint8Array.of(bootloader, tee, 0, 0, 0, 0, snp, microcode);
}

function amdExtensions(
  fields: SnpFields,
  said: SnpCertificates,
  product: Product,
  kind: 'vcek' | 'vlek',
): TestExtension[] {
  const tcb = said.tcb ?? fields.reported ?? tcbOf(product);
  const chip = kind === 'vcek' ? chipOf(fields).slice(0, product === 'Turin' ? 8 : 64) : null;
  const hwid = said.hwid === undefined ? chip : said.hwid;
  const cspId = said.cspId === undefined ? (kind === 'vlek' ? 'cloud.example' : null) : said.cspId;
  const usual: Record<string, Uint8Array | null> = {
    '1': integer(0),
    '2': ia5(kind === 'vcek' ? `${product}-B0` : product),
    '3.1': integer(tcb.bootloader),
    '3.2': integer(tcb.tee),
    '3.3': integer(tcb.snp),
    '3.4': integer(0),
    '3.5': integer(0),
    '3.6': integer(0),
    '3.7': integer(0),
    '3.8': integer(tcb.microcode),
    '3.9': tcb.fmc === undefined ? null : integer(tcb.fmc),
    '4': hwid,
    '5': cspId === null ? null : ia5(cspId),
  };
  return Object.entries({ ...usual, ...said.extensions }).flatMap(([arc, value]) =>
    value === null ? [] : [{ oid: `${AMD}.${arc}`, critical: false, value }],
  );
}

/** DER of an integer below 256. */
function integer(value: number): Uint8Array {
  return value < 128 ? Uint8Array.of(2, 1, value) : Uint8Array.of(2, 2, 0, value);
}

function ia5(text: string): Uint8Array {
  return Uint8Array.of(0x16, text.length, ...encodeUtf8(text));
}

function amdName(commonName: string): string {
  return `OU=Engineering, C=US, L=Santa Clara, ST=CA, O=Advanced Micro Devices, CN=${commonName}`;
}

async function crlOf({ signedBy = 'root', ...crl }: SnpCrl, ark: TestCertificate, ask: TestCertificate) {
  return issueCrl({ issuer: signedBy === 'root' ? ark : ask, thisUpdate: FROM, nextUpdate: TO, ...crl });
}

/** Keeps what `make` made for each key. */
function memo<K, T>(make: (key: K) => Promise<T>): (key: K) => Promise<T> {
  const made = new Map<K, Promise<T>>();
  return (key) => {
    const one = made.get(key) ?? make(key);
    made.set(key, one);
    return one;
  };
}
