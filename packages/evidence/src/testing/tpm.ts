/**
 * A TPM 2.0 in software for tests: it makes keys, certifies them under a generated root, and quotes what it is told. Not part of the
 * package, and written from the specification, not from the parser here.
 */
import { constants, createHash, KeyObject, sign } from 'node:crypto';
import { TAG, writeDer } from '../crypto/der.ts';
import { CURVE_BYTES, parseSpki } from '../crypto/key.ts';
import type { EvidenceFiles, TrustAnchor } from '../hardware/given.ts';
import {
  type CertificateRequest,
  issueCertificate,
  newKeyPair,
  type TestCertificate,
  type TestExtension,
  type TestKeyKind,
  testAnchor,
} from './pki.ts';

export type TpmScheme = 'rsassa' | 'rsapss' | 'ecdsa';
export type TpmHashName = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** PCR values as the role `pcrs` has them: bank to index to hex. */
export type TpmPcrs = Record<string, Record<string, string>>;

/** What the TPM is to be; everything has the value of a sound TPM. */
export interface TpmOptions {
  /** Of the attestation key; default `ecdsa` (P-256). */
  scheme?: TpmScheme;
  /** Of its signatures and digests; default `sha256`. */
  hash?: TpmHashName;
  /** TPMA_OBJECT of the attestation key; default: restricted signing key, made and kept by the TPM. */
  attributes?: number;
  /** Device named in both certificates, e.g. `{manufacturer: 'id:00001014', model: 'swtpm'}`; null: none. */
  device?: { manufacturer: string; model: string } | null;
  /** Members of the certificate of the attestation key that are to be other than usual. */
  akCertificate?: Partial<CertificateRequest>;
  /** As {@link akCertificate}, of the endorsement key. */
  ekCertificate?: Partial<CertificateRequest>;
  /** Extended key usages of the certificate of the attestation key (last arc of 2.23.133.8); default `[3]`. */
  akPurposes?: readonly number[];
  /** Of the endorsement key; default `[1]`. */
  ekPurposes?: readonly number[];
  /** The TPM that shares its root and issuing CA with this one. */
  sibling?: TestTpm;
}

/** Fields of a quote that are to be other than usual. */
export interface QuoteFields {
  magic?: number;
  type?: number;
  qualifiedSigner?: Uint8Array;
  clock?: bigint;
  resetCount?: number;
  restartCount?: number;
  safe?: number;
  firmwareVersion?: bigint;
  /** Instead of the digest over the PCR values. */
  pcrDigest?: Uint8Array;
  /** Instead of the hash of the key. */
  hash?: TpmHashName;
  /** With the size in front (TPM2B_ATTEST); the signature is over the inner bytes all the same. */
  sized?: boolean;
}

/** A quote, ready as files by role. */
export interface TpmQuoteFiles {
  attest: Uint8Array<ArrayBuffer>;
  signature: Uint8Array<ArrayBuffer>;
  /** JSON of the PCR values. */
  pcrs: Uint8Array<ArrayBuffer>;
}

export interface TestTpm {
  /** `ak_chain`, `ak_public` and `ek_chain`: what a claim or an evidence directory brings beside the quote. */
  files: EvidenceFiles;
  /** The generated root, as the anchor that trusts it (source `test`). */
  root: TrustAnchor;
  rootCertificate: TestCertificate;
  issuer: TestCertificate;
  /** SubjectPublicKeyInfo of the attestation key, DER; and as PEM, for the role `ak`. */
  akSpki: Uint8Array<ArrayBuffer>;
  akPem: Uint8Array<ArrayBuffer>;
  /**
   * Quotes the registers that `selection` names, e.g. `sha256:0,1,2` or `sha256:0+sha384:1`.
   *
   * @param pcrs values; registers that are left out are zeros
   */
  quote(extraData: Uint8Array, selection: string, pcrs?: TpmPcrs, fields?: QuoteFields): TpmQuoteFiles;
  /** Certifies the contents of an NV index (TPM2_NV_Certify). */
  certifyNv(
    extraData: Uint8Array,
    contents: Uint8Array,
    fields?: QuoteFields & { indexName?: Uint8Array; offset?: number },
  ): Omit<TpmQuoteFiles, 'pcrs'>;
  /** Signs a TPMS_ATTEST, whatever its bytes are. Gives a TPMT_SIGNATURE. */
  sign(attest: Uint8Array, hash?: TpmHashName): Uint8Array<ArrayBuffer>;
}

const HASH_ID = { sha1: 0x0004, sha256: 0x000b, sha384: 0x000c, sha512: 0x000d } as const;
const HASH_SIZE = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const;
const SCHEME_ID = { rsassa: 0x0014, rsapss: 0x0016, ecdsa: 0x0018 } as const;
const ALG_NULL = 0x0010;
/** fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign. */
export const AK_ATTRIBUTES = 0x00050072;

/** Makes a TPM with its own root, issuing CA, endorsement key and attestation key. */
export async function makeTpm(options: TpmOptions = {}): Promise<TestTpm> {
  const { scheme = 'ecdsa', hash = 'sha256', device = { manufacturer: 'id:54455354', model: 'test TPM' } } = options;
  const { rootCertificate, issuer } = options.sibling ?? (await authorities());
  const kind: TestKeyKind = scheme === 'ecdsa' ? 'p256' : 'rsa2048-pkcs1';
  const akKeys = await newKeyPair(kind);
  const ak = await issueCertificate({
    subject: 'CN=test AK',
    keys: akKeys,
    issuer,
    serial: '02',
    keyUsage: ['digitalSignature'],
    extensions: [...purposes(options.akPurposes ?? [3]), ...deviceName(device)],
    ...options.akCertificate,
  });
  const ek = await issueCertificate({
    subject: 'CN=test EK',
    keys: await newKeyPair('p256'),
    issuer,
    serial: '03',
    keyUsage: ['keyAgreement'],
    extensions: [...purposes(options.ekPurposes ?? [1]), ...deviceName(device)],
    ...options.ekCertificate,
  });
  const chainOf = (leaf: TestCertificate) => utf8([leaf.pem, issuer.pem, rootCertificate.pem].join('\n'));
  const area = publicArea(akKeys.spki, scheme, hash, options.attributes ?? AK_ATTRIBUTES);
  const signWith = signer(KeyObject.from(akKeys.privateKey), scheme, hash);
  return {
    files: { ak_chain: chainOf(ak), ak_public: area, ek_chain: chainOf(ek) },
    root: testAnchor(rootCertificate, 'tpm'),
    rootCertificate,
    issuer,
    akSpki: akKeys.spki,
    akPem: utf8(pem('PUBLIC KEY', akKeys.spki)),
    sign: signWith,
    quote: (extraData, selection, pcrs = {}, fields = {}) => {
      const used = fields.hash ?? hash;
      const chosen = selected(selection, pcrs);
      const digest = fields.pcrDigest ?? createHash(used).update(joined(chosen.values)).digest();
      const body = joined([u32(chosen.banks.length), ...chosen.banks, tpm2b(digest)]);
      return {
        ...attested(0x8018, extraData, body, fields, signWith),
        pcrs: utf8(JSON.stringify(pcrsOf(selection, pcrs))),
      };
    },
    certifyNv: (extraData, contents, fields = {}) => {
      const name = fields.indexName ?? joined([u16(HASH_ID.sha256), createHash('sha256').update('index').digest()]);
      const body = joined([tpm2b(name), u16(fields.offset ?? 0), tpm2b(contents)]);
      return attested(0x8014, extraData, body, fields, signWith);
    },
  };
}

/** A chain for the attestation key of `tpm` to the same root, in which one certificate is signed with SHA-1. */
export async function weakChain(tpm: TestTpm): Promise<Uint8Array<ArrayBuffer>> {
  const { rootCertificate } = tpm;
  const weak = await newKeyPair('rsa2048-sha1');
  const issuer = await issueCertificate({ subject: 'CN=SHA-1 CA', keys: weak, issuer: rootCertificate, ca: true });
  const keys = { ...weak, spki: tpm.akSpki };
  const ak = await issueCertificate({ subject: 'CN=weak AK', keys, issuer, keyUsage: ['digitalSignature'] });
  return utf8([ak.pem, issuer.pem, rootCertificate.pem].join('\n'));
}

async function authorities(): Promise<{ rootCertificate: TestCertificate; issuer: TestCertificate }> {
  const keys = await newKeyPair('p256');
  const rootCertificate = await issueCertificate({ subject: 'CN=test TPM root', keys, ca: true });
  const issuing = await newKeyPair('p256');
  const issuer = await issueCertificate({
    subject: 'CN=test TPM CA',
    keys: issuing,
    issuer: rootCertificate,
    ca: true,
  });
  return { rootCertificate, issuer };
}

/** 2.23.133.`arcs`, DER. */
function tcgOid(...arcs: number[]): Uint8Array {
  return writeDer(TAG.oid, Uint8Array.of(0x67, 0x81, 0x05, ...arcs));
}

function purposes(last: readonly number[]): TestExtension[] {
  if (last.length === 0) return [];
  const value = writeDer(TAG.sequence, ...last.map((arc) => tcgOid(8, arc)));
  return [{ oid: '2.5.29.37', critical: false, value }];
}

/** The subject alternative name by which TCG certificates name a TPM. */
export function deviceName(device: TpmOptions['device']): TestExtension[] {
  if (device == null) return [];
  const attribute = (arc: number, text: string) =>
    writeDer(TAG.set, writeDer(TAG.sequence, tcgOid(2, arc), writeDer(TAG.utf8, utf8(text))));
  const name = writeDer(
    TAG.sequence,
    attribute(1, device.manufacturer),
    attribute(2, device.model),
    attribute(3, 'id:1'),
  );
  return [{ oid: '2.5.29.17', critical: true, value: writeDer(TAG.sequence, writeDer(0xa4, name)) }];
}

function publicArea(spki: Uint8Array<ArrayBuffer>, scheme: TpmScheme, hash: TpmHashName, attributes: number) {
  const key = parseSpki(spki);
  const head = [u16(HASH_ID.sha256), u32(attributes), tpm2b(new Uint8Array()), u16(ALG_NULL)];
  const signing = [u16(SCHEME_ID[scheme]), u16(HASH_ID[hash])];
  if (key.kind === 'ec') {
    return joined([u16(0x0023), ...head, ...signing, u16(3), u16(ALG_NULL), tpm2b(key.x), tpm2b(key.y)]);
  }
  if (key.kind !== 'rsa') throw new RangeError('no such key in a TPM');
  return joined([u16(0x0001), ...head, ...signing, u16(key.bits), u32(0), tpm2b(key.n)]);
}

type Signer = TestTpm['sign'];

function signer(key: KeyObject, scheme: TpmScheme, usual: TpmHashName): Signer {
  return (attest, hash = usual) => {
    const head = joined([u16(SCHEME_ID[scheme]), u16(HASH_ID[hash])]);
    if (scheme === 'ecdsa') {
      const value = sign(hash, attest, { key, dsaEncoding: 'ieee-p1363' });
      const half = CURVE_BYTES['P-256'];
      return joined([head, tpm2b(value.subarray(0, half)), tpm2b(value.subarray(half))]);
    }
    const padding = scheme === 'rsassa' ? constants.RSA_PKCS1_PADDING : constants.RSA_PKCS1_PSS_PADDING;
    return joined([head, tpm2b(sign(hash, attest, { key, padding, saltLength: HASH_SIZE[hash] }))]);
  };
}

function attested(
  type: number,
  extraData: Uint8Array,
  body: Uint8Array,
  fields: QuoteFields,
  signWith: Signer,
): { attest: Uint8Array<ArrayBuffer>; signature: Uint8Array<ArrayBuffer> } {
  const attest = joined([
    u32(fields.magic ?? 0xff544347),
    u16(fields.type ?? type),
    tpm2b(fields.qualifiedSigner ?? joined([u16(HASH_ID.sha256), new Uint8Array(32).fill(7)])),
    tpm2b(extraData),
    u64(fields.clock ?? 1000n),
    u32(fields.resetCount ?? 1),
    u32(fields.restartCount ?? 0),
    Uint8Array.of(fields.safe ?? 1),
    u64(fields.firmwareVersion ?? 0x0001_0002_0003_0004n),
    body,
  ]);
  return { attest: fields.sized === true ? tpm2b(attest) : attest, signature: signWith(attest, fields.hash) };
}

/** The banks of a selection: TPMS_PCR_SELECTION each, and the values in the order in which they are hashed. */
function selected(selection: string, pcrs: TpmPcrs): { banks: Uint8Array[]; values: Uint8Array[] } {
  const banks = parts(selection);
  return {
    banks: banks.map(({ bank, indexes }) => {
      const bitmap = new Uint8Array(3);
      for (const index of indexes) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
      return joined([u16(HASH_ID[bank]), Uint8Array.of(3), bitmap]);
    }),
    values: banks.flatMap(({ bank, indexes }) => indexes.map((index) => pcrValue(pcrs, bank, index))),
  };
}

/** All values that a selection covers, those that were given and zeros. */
function pcrsOf(selection: string, pcrs: TpmPcrs): TpmPcrs {
  return Object.fromEntries(
    parts(selection).map(({ bank, indexes }) => [
      bank,
      Object.fromEntries(indexes.map((index) => [index, Buffer.from(pcrValue(pcrs, bank, index)).toString('hex')])),
    ]),
  );
}

function parts(selection: string): { bank: TpmHashName; indexes: number[] }[] {
  if (selection === '') return [];
  return selection.split('+').map((part) => {
    const [bank = '', list = ''] = part.split(':');
    if (!isHash(bank)) throw new RangeError(`no bank ${bank}`);
    return { bank, indexes: list.split(',').map(Number) };
  });
}

function isHash(name: string): name is TpmHashName {
  return Object.hasOwn(HASH_ID, name);
}

function pcrValue(pcrs: TpmPcrs, bank: TpmHashName, index: number): Uint8Array {
  const hex = pcrs[bank]?.[index];
  return hex === undefined ? new Uint8Array(HASH_SIZE[bank]) : Buffer.from(hex, 'hex');
}

function pem(label: string, der: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`;
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

function u64(value: bigint): Uint8Array {
  return joined([u32(Number(value >> 32n)), u32(Number(value & 0xffffffffn))]);
}

/** With a 16-bit length in front. */
function tpm2b(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return joined([u16(bytes.length), bytes]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}
