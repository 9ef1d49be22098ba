import { createHash } from 'node:crypto';
import { TAG, writeDer } from '../crypto/der.ts';
import type { TestKeyPair } from './pki.ts';

/** A key on P-256: its public half, and how it signs. */
export type TdxKey = Pick<TestKeyPair, 'spki' | 'sign'>;

/** Bytes of x and y, with which the SPKI of a key on P-256 ends. */
export const POINT_SIZE = 64;

/** Fields of the TDX guest. Byte strings have the length of their field; what is left out has the value of a sound guest. */
export interface TdGuest {
  teeTcbSvn?: Uint8Array;
  mrSeam?: Uint8Array;
  mrSignerSeam?: Uint8Array;
  seamAttributes?: Uint8Array;
  attributes?: bigint;
  xfam?: bigint;
  mrTd?: Uint8Array;
  mrConfigId?: Uint8Array;
  mrOwner?: Uint8Array;
  mrOwnerConfig?: Uint8Array;
  rtmr?: readonly Uint8Array[];
  /** At most 64 bytes; zeros follow. */
  reportData?: Uint8Array;
  /** TDX 1.5 only. */
  teeTcbSvn2?: Uint8Array;
  mrServiceTd?: Uint8Array;
}

/** Fields of the quoting enclave. */
export interface QuotingEnclave {
  cpuSvn?: Uint8Array;
  miscSelect?: Uint8Array;
  attributes?: Uint8Array;
  mrEnclave?: Uint8Array;
  mrSigner?: Uint8Array;
  isvProdId?: number;
  isvSvn?: number;
  /** Instead of the hash of attestation key and authentication data. */
  reportData?: Uint8Array;
}

/** Header fields that a sound quote has one value for. */
export interface QuoteHead {
  attestationKeyType?: number;
  teeType?: number;
  reserved?: Uint8Array;
  qeVendorId?: Uint8Array;
  userData?: Uint8Array;
  /** Version 5: body type and size that are written. */
  bodyType?: number;
  bodySize?: number;
}

/** How a quote is put together. */
export interface QuoteSpec {
  version: number;
  tdx15: boolean;
  head?: QuoteHead;
  guest?: TdGuest;
  qe?: QuotingEnclave;
  authData?: Uint8Array;
  /** What stands where the PCK chain does: PEM or DER. */
  certificates: Uint8Array;
  outerType?: number;
  innerType?: number;
  trailing?: Uint8Array;
  attestationKey: TdxKey;
  /** Signs the report of the quoting enclave. */
  pck: TdxKey;
}

export const QE_MR_SIGNER = filled(32, 0xdc);
export const QE_ATTRIBUTES = Uint8Array.of(0x15, 0, 0, 0, 0, 0, 0, 0, 0xe7, 0, 0, 0, 0, 0, 0, 0);
const INTEL_QE_VENDOR = Uint8Array.from(Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex'));
const SEPT_VE_DISABLE = 1n << 28n;
const COMMON_FEATURES = 0x618e7n;

/** Writes and signs a quote. */
export async function writeQuote(spec: QuoteSpec): Promise<Uint8Array<ArrayBuffer>> {
  const body = writeTdReport(spec.guest ?? {}, spec.tdx15);
  const signed = joinBytes(writeHead(spec.version, spec.head ?? {}), ...bodyHead(spec, body), body);
  const authData = spec.authData ?? filled(32, 0xa5);
  const point = spec.attestationKey.spki.slice(-POINT_SIZE);
  const report = writeQeReport(spec.qe ?? {}, point, authData);
  const inner = joinBytes(
    report,
    await spec.pck.sign(report),
    u16(authData.length),
    authData,
    u16(spec.innerType ?? 5),
    u32(spec.certificates.length),
    spec.certificates,
  );
  const auth = joinBytes(
    await spec.attestationKey.sign(signed),
    point,
    u16(spec.outerType ?? 6),
    u32(inner.length),
    inner,
  );
  return joinBytes(signed, u32(auth.length), auth, spec.trailing ?? new Uint8Array());
}

function writeHead(version: number, head: QuoteHead): Uint8Array {
  return joinBytes(
    u16(version),
    u16(head.attestationKeyType ?? 2),
    u32(head.teeType ?? 0x81),
    head.reserved ?? new Uint8Array(4),
    head.qeVendorId ?? INTEL_QE_VENDOR,
    head.userData ?? new Uint8Array(20),
  );
}

function bodyHead({ version, tdx15, head = {} }: QuoteSpec, body: Uint8Array): Uint8Array[] {
  if (version !== 5) return [];
  return [u16(head.bodyType ?? (tdx15 ? 3 : 2)), u32(head.bodySize ?? body.length)];
}

function writeTdReport(guest: TdGuest, tdx15: boolean): Uint8Array {
  const rtmr = guest.rtmr ?? [filled(48, 0x10), filled(48, 0x11), filled(48, 0x12), new Uint8Array(48)];
  const reportData = new Uint8Array(64);
  reportData.set(guest.reportData ?? new Uint8Array());
  const old = joinBytes(
    guest.teeTcbSvn ?? SOUND_SVN,
    guest.mrSeam ?? filled(48, 0x5e),
    guest.mrSignerSeam ?? new Uint8Array(48),
    guest.seamAttributes ?? new Uint8Array(8),
    u64(guest.attributes ?? SEPT_VE_DISABLE),
    u64(guest.xfam ?? COMMON_FEATURES),
    guest.mrTd ?? filled(48, 0x7d),
    guest.mrConfigId ?? new Uint8Array(48),
    guest.mrOwner ?? new Uint8Array(48),
    guest.mrOwnerConfig ?? new Uint8Array(48),
    ...rtmr,
    reportData,
  );
  if (!tdx15) return old;
  return joinBytes(old, guest.teeTcbSvn2 ?? SOUND_SVN, guest.mrServiceTd ?? new Uint8Array(48));
}

/** Module security version 5, major version 1, microcode 3. */
export const SOUND_SVN = Uint8Array.of(5, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

function writeQeReport(qe: QuotingEnclave, point: Uint8Array, authData: Uint8Array): Uint8Array<ArrayBuffer> {
  const bound = new Uint8Array(64);
  bound.set(createHash('sha256').update(point).update(authData).digest());
  return joinBytes(
    qe.cpuSvn ?? filled(16, 2),
    qe.miscSelect ?? new Uint8Array(4),
    new Uint8Array(28),
    qe.attributes ?? QE_ATTRIBUTES,
    qe.mrEnclave ?? filled(32, 0xee),
    new Uint8Array(32),
    qe.mrSigner ?? QE_MR_SIGNER,
    new Uint8Array(96),
    u16(qe.isvProdId ?? 2),
    u16(qe.isvSvn ?? 6),
    new Uint8Array(60),
    qe.reportData ?? bound,
  );
}

/** What a PCK certificate says of the platform. */
export interface PlatformSpec {
  fmspc: Uint8Array;
  pceId: Uint8Array;
  pceSvn: number;
  /** 16 security version numbers, which are CPUSVN too. */
  components: Uint8Array;
}

const SGX = [0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01];

/** The value of the SGX extension of a PCK certificate, DER. */
export function writeSgxExtension({ fmspc, pceId, pceSvn, components }: PlatformSpec): Uint8Array<ArrayBuffer> {
  const field = (arcs: readonly number[], value: Uint8Array) =>
    writeDer(TAG.sequence, writeDer(TAG.oid, Uint8Array.from([...SGX, ...arcs])), value);
  const number = (value: number) => {
    const octets: number[] = [];
    for (let left = value; octets.length === 0 || left > 0; left = Math.floor(left / 256)) octets.unshift(left % 256);
    return writeDer(TAG.integer, Uint8Array.from((octets[0] ?? 0) >= 0x80 ? [0, ...octets] : octets));
  };
  const tcb = writeDer(
    TAG.sequence,
    ...Array.from(components, (svn, i) => field([2, i + 1], number(svn))),
    field([2, 17], number(pceSvn)),
    field([2, 18], writeDer(TAG.octetString, components)),
  );
  return writeDer(
    TAG.sequence,
    field([1], writeDer(TAG.octetString, filled(16, 0x99))),
    field([2], tcb),
    field([3], writeDer(TAG.octetString, pceId)),
    field([4], writeDer(TAG.octetString, fmspc)),
    field([5], writeDer(0x0a, Uint8Array.of(1))),
  );
}

/** So many bytes of one value. */
export function filled(length: number, value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length).fill(value);
}

/** The parts, one after the other. */
export function joinBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
