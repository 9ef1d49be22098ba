import { ByteReader } from '../../bytes/reader.ts';
import { FormatError } from '../../format-error.ts';
import type { Cpuid } from './product.ts';

/** Size of an ATTESTATION_REPORT (SEV-SNP ABI specification, 56860, section 7.3). */
const REPORT_LENGTH = 0x4a0;
/** The signature covers what comes before it. */
export const SIGNED_LENGTH = 0x2a0;
/** VMPL of a report that the hypervisor requested for itself. */
export const HOST_VMPL = 0xffffffff;

/** POLICY: what the owner of the guest allowed when it was launched. */
export interface GuestPolicy {
  abiMajor: number;
  abiMinor: number;
  smt: boolean;
  /** Bit 17, which is always one. */
  reservedOne: boolean;
  migrationAgent: boolean;
  debug: boolean;
  singleSocket: boolean;
  cxl: boolean;
  aes256Xts: boolean;
  raplDisabled: boolean;
  ciphertextHiding: boolean;
  pageSwapDisabled: boolean;
}

/** PLATFORM_INFO: what the platform has switched on. */
export interface PlatformInfo {
  smt: boolean;
  tsme: boolean;
  ecc: boolean;
  raplDisabled: boolean;
  ciphertextHiding: boolean;
  aliasCheck: boolean;
  tio: boolean;
}

export interface KeyInfo {
  /** The report names the key of the guest's author. */
  authorKey: boolean;
  /** The platform does not use its chip's key. */
  chipKeyMasked: boolean;
  signingKey: 'vcek' | 'vlek' | 'none';
}

export interface FirmwareVersion {
  major: number;
  minor: number;
  build: number;
}

/** An attestation report of an AMD SEV-SNP guest. Byte strings whose meaning is a digest or an identifier are lower-case hex. */
export interface SnpReport {
  version: number;
  guestSvn: number;
  policy: GuestPolicy;
  familyId: string;
  imageId: string;
  vmpl: number;
  currentTcb: Uint8Array<ArrayBuffer>;
  platform: PlatformInfo;
  key: KeyInfo;
  reportData: Uint8Array<ArrayBuffer>;
  measurement: Uint8Array<ArrayBuffer>;
  hostData: string;
  idKeyDigest: string;
  authorKeyDigest: string;
  reportId: string;
  reportIdMa: string;
  reportedTcb: Uint8Array<ArrayBuffer>;
  /** null in version 2, which has none. */
  cpuid: Cpuid | null;
  chipId: Uint8Array<ArrayBuffer>;
  committedTcb: Uint8Array<ArrayBuffer>;
  currentFirmware: FirmwareVersion;
  committedFirmware: FirmwareVersion;
  launchTcb: Uint8Array<ArrayBuffer>;
  /** Mitigation vectors, as hex numbers; null before version 5, which introduced them. */
  launchMitigations: string | null;
  currentMitigations: string | null;
  /** ECDSA P-384, r and s big-endian one after the other. */
  signature: Uint8Array<ArrayBuffer>;
}

/**
 * Reads an attestation report of version 2 to 5. Nothing in it is checked but its form: unknown versions, unknown flags and
 * reserved bytes that are not zero are refused.
 *
 * @throws FormatError
 */
export function parseReport(bytes: Uint8Array<ArrayBuffer>): SnpReport {
  if (bytes.length !== REPORT_LENGTH) {
    throw new FormatError(`an SEV-SNP report has ${REPORT_LENGTH} bytes, this has ${bytes.length}`);
  }
  const reader = new ByteReader(bytes, 'SEV-SNP report');
  const version = reader.u32le('version');
  if (version < 2 || version > 5) throw new FormatError(`SEV-SNP report: version ${version} is not known`);
  const report = { version, ...readGuest(reader), ...readPlatform(reader), ...readIdentity(reader) };
  const rest = { ...readState(reader, version), signature: readSignature(reader) };
  reader.end();
  return { ...report, ...rest };
}

function readGuest(reader: ByteReader) {
  const guestSvn = reader.u32le('guest_svn');
  const policy = guestPolicy(reader.u64le('policy'));
  const [familyId, imageId] = [reader.hex(16, 'family_id'), reader.hex(16, 'image_id')];
  const vmpl = reader.u32le('vmpl');
  if (vmpl > 3 && vmpl !== HOST_VMPL) throw new FormatError(`SEV-SNP report: there is no VMPL ${vmpl}`);
  const algorithm = reader.u32le('signature_algo');
  if (algorithm !== 1) throw new FormatError(`SEV-SNP report: signature algorithm ${algorithm} is not known`);
  return { guestSvn, policy, familyId, imageId, vmpl };
}

function guestPolicy(value: bigint): GuestPolicy {
  const bit = flags(value, 26, 'policy');
  return {
    abiMinor: Number(value & 0xffn),
    abiMajor: Number((value >> 8n) & 0xffn),
    smt: bit(16),
    reservedOne: bit(17),
    migrationAgent: bit(18),
    debug: bit(19),
    singleSocket: bit(20),
    cxl: bit(21),
    aes256Xts: bit(22),
    raplDisabled: bit(23),
    ciphertextHiding: bit(24),
    pageSwapDisabled: bit(25),
  };
}

function readPlatform(reader: ByteReader) {
  const currentTcb = reader.take(8, 'current_tcb');
  const info = reader.u64le('platform_info');
  const bit = flags(info, 8, 'platform_info');
  if (bit(6)) throw new FormatError('SEV-SNP report: a reserved bit of platform_info is set');
  const platform = {
    smt: bit(0),
    tsme: bit(1),
    ecc: bit(2),
    raplDisabled: bit(3),
    ciphertextHiding: bit(4),
    aliasCheck: bit(5),
    tio: bit(7),
  };
  const key = keyInfo(reader.u32le('key_info'));
  reader.zeros(4, 'the field after key_info');
  return { currentTcb, platform, key };
}

function keyInfo(value: number): KeyInfo {
  const bit = flags(BigInt(value), 5, 'key_info');
  const kind = (value >> 2) & 7;
  const signingKey = kind === 0 ? 'vcek' : kind === 1 ? 'vlek' : 'none';
  if (signingKey === 'none' && kind !== 7) throw new FormatError(`SEV-SNP report: signing key ${kind} is not known`);
  return { authorKey: bit(0), chipKeyMasked: bit(1), signingKey };
}

function readIdentity(reader: ByteReader) {
  return {
    reportData: reader.take(64, 'report_data'),
    measurement: reader.take(48, 'measurement'),
    hostData: reader.hex(32, 'host_data'),
    idKeyDigest: reader.hex(48, 'id_key_digest'),
    authorKeyDigest: reader.hex(48, 'author_key_digest'),
    reportId: reader.hex(32, 'report_id'),
    reportIdMa: reader.hex(32, 'report_id_ma'),
    reportedTcb: reader.take(8, 'reported_tcb'),
  };
}

function readState(reader: ByteReader, version: number) {
  const cpuid = readCpuid(reader, version);
  const [chipId, committedTcb] = [reader.take(64, 'chip_id'), reader.take(8, 'committed_tcb')];
  const [currentFirmware, committedFirmware] = [readFirmware(reader), readFirmware(reader)];
  const launchTcb = reader.take(8, 'launch_tcb');
  const vector = (field: string): string | null => {
    if (version >= 5) return reader.u64le(field).toString(16);
    reader.zeros(8, field);
    return null;
  };
  const [launchMitigations, currentMitigations] = [vector('launch_mit_vector'), vector('current_mit_vector')];
  reader.zeros(SIGNED_LENGTH - reader.at, 'the end of the signed part');
  return {
    cpuid,
    chipId,
    committedTcb,
    currentFirmware,
    committedFirmware,
    launchTcb,
    launchMitigations,
    currentMitigations,
  };
}

function readCpuid(reader: ByteReader, version: number): Cpuid | null {
  if (version < 3) {
    reader.zeros(24, 'the field after reported_tcb');
    return null;
  }
  const [family, model, stepping] = [reader.u8('cpuid family'), reader.u8('cpuid model'), reader.u8('cpuid stepping')];
  reader.zeros(21, 'the field after cpuid');
  return { family, model, stepping };
}

function readFirmware(reader: ByteReader): FirmwareVersion {
  const [build, minor, major] = [reader.u8('build'), reader.u8('minor'), reader.u8('major')];
  reader.zeros(1, 'the byte after a firmware version');
  return { major, minor, build };
}

/** Two numbers of 72 bytes, little-endian: a P-384 number has 48 of them. */
function readSignature(reader: ByteReader): Uint8Array<ArrayBuffer> {
  const signature = new Uint8Array(96);
  for (const [i, name] of ['r', 's'].entries()) {
    signature.set(reader.take(48, name).toReversed(), 48 * i);
    reader.zeros(24, `the upper end of ${name}`);
  }
  reader.zeros(REPORT_LENGTH - reader.at, 'the field after the signature');
  return signature;
}

/** Reads single bits of `value`, whose bits from `width` on are reserved. @throws FormatError when one of these is set */
function flags(value: bigint, width: number, field: string): (bit: number) => boolean {
  if (value >> BigInt(width) !== 0n) throw new FormatError(`SEV-SNP report: a reserved bit of ${field} is set`);
  return (bit) => ((value >> BigInt(bit)) & 1n) === 1n;
}
