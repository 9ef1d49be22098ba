import { ByteReader } from '../../bytes/reader.ts';

/** Size of the body of a quote in bytes: TDX 1.0, and 1.5 which adds two fields. */
export const TD_REPORT_SIZE = 584;
export const TD_REPORT_15_SIZE = 648;

/** TD attributes by name (TDX module ABI, ATTRIBUTES). */
export interface TdAttributes {
  debug: boolean;
  hgsPlusProfiling: boolean;
  performanceProfiling: boolean;
  pmtProfiling: boolean;
  icssd: boolean;
  lass: boolean;
  septVeDisable: boolean;
  migratable: boolean;
  protectionKeys: boolean;
  keyLocker: boolean;
  tpa: boolean;
  perfmon: boolean;
  /** Bits that have no meaning yet, hex; 0 in a guest that this verifier understands. */
  reserved: string;
}

/** Extended features that the guest may use, by name (XFAM; bits as in XCR0 and IA32_XSS). */
export interface ExtendedFeatures {
  x87: boolean;
  sse: boolean;
  avx: boolean;
  avx512: boolean;
  processorTrace: boolean;
  protectionKeys: boolean;
  cet: boolean;
  userInterrupts: boolean;
  lastBranchRecords: boolean;
  amx: boolean;
  apx: boolean;
  /** Bits that no guest can be given, hex; 0 in a guest that this verifier understands. */
  reserved: string;
}

/** Body of a quote: the TDX guest, as the TDX module saw it. Measurements are SHA-384, lower-case hex. */
export interface TdReport {
  tdxVersion: '1.0' | '1.5';
  /** Security version numbers of the TCB when the guest was launched, 16 bytes; the second is the major version of the TDX module. */
  teeTcbSvn: Uint8Array<ArrayBuffer>;
  mrSeam: string;
  mrSignerSeam: string;
  seamAttributes: string;
  attributesRaw: string;
  attributes: TdAttributes;
  xfamRaw: string;
  xfam: ExtendedFeatures;
  mrTd: string;
  mrConfigId: string;
  mrOwner: string;
  mrOwnerConfig: string;
  rtmr: readonly [string, string, string, string];
  reportData: Uint8Array<ArrayBuffer>;
  /** TDX 1.5: security version numbers of the TCB as it is now, after updates that kept the guest running. */
  teeTcbSvn2: Uint8Array<ArrayBuffer> | null;
  /** TDX 1.5: measurement of the service guest bound to this one (for migration), zeros when there is none. */
  mrServiceTd: string | null;
}

/**
 * Reads the body of a quote, 584 bytes (TDX 1.0) or 648 (TDX 1.5).
 *
 * @throws FormatError when it has another size
 */
export function parseTdReport(bytes: Uint8Array<ArrayBuffer>): TdReport {
  const reader = new ByteReader(bytes, 'TD report');
  const digest = (field: string): string => reader.hex(48, field);
  const teeTcbSvn = reader.take(16, 'TEE_TCB_SVN');
  const mrSeam = digest('MRSEAM');
  const mrSignerSeam = digest('MRSIGNERSEAM');
  const seamAttributes = reader.hex(8, 'SEAMATTRIBUTES');
  const attributes = reader.u64le('TDATTRIBUTES');
  const xfam = reader.u64le('XFAM');
  const common = {
    teeTcbSvn,
    mrSeam,
    mrSignerSeam,
    seamAttributes,
    attributesRaw: bigHex(attributes),
    attributes: tdAttributes(attributes),
    xfamRaw: bigHex(xfam),
    xfam: extendedFeatures(xfam),
    mrTd: digest('MRTD'),
    mrConfigId: digest('MRCONFIGID'),
    mrOwner: digest('MROWNER'),
    mrOwnerConfig: digest('MROWNERCONFIG'),
    rtmr: [digest('RTMR0'), digest('RTMR1'), digest('RTMR2'), digest('RTMR3')] as const,
    reportData: reader.take(64, 'REPORTDATA'),
  };
  if (reader.left === 0) return { tdxVersion: '1.0', ...common, teeTcbSvn2: null, mrServiceTd: null };
  const teeTcbSvn2 = reader.take(16, 'TEE_TCB_SVN_2');
  const mrServiceTd = digest('MRSERVICETD');
  reader.end();
  return { tdxVersion: '1.5', ...common, teeTcbSvn2, mrServiceTd };
}

/** The number as 16 hex digits, most significant first. */
function bigHex(value: bigint): string {
  return value.toString(16).padStart(16, '0');
}

function bits(...positions: number[]): bigint {
  return positions.reduce((mask, position) => mask | (1n << BigInt(position)), 0n);
}

const TD_ATTRIBUTES = {
  debug: bits(0),
  hgsPlusProfiling: bits(4),
  performanceProfiling: bits(5),
  pmtProfiling: bits(6),
  icssd: bits(16),
  lass: bits(27),
  septVeDisable: bits(28),
  migratable: bits(29),
  protectionKeys: bits(30),
  keyLocker: bits(31),
  tpa: bits(62),
  perfmon: bits(63),
} as const;

const XFAM = {
  x87: bits(0),
  sse: bits(1),
  avx: bits(2),
  avx512: bits(5, 6, 7),
  processorTrace: bits(8),
  protectionKeys: bits(9),
  cet: bits(11, 12),
  userInterrupts: bits(14),
  lastBranchRecords: bits(15),
  amx: bits(17, 18),
  apx: bits(19),
} as const;

function tdAttributes(value: bigint): TdAttributes {
  return named(value, TD_ATTRIBUTES);
}

function extendedFeatures(value: bigint): ExtendedFeatures {
  return named(value, XFAM);
}

function named<Name extends string>(
  value: bigint,
  masks: Record<Name, bigint>,
): Record<Name, boolean> & { reserved: string } {
  let rest = value;
  const flags = {} as Record<Name, boolean>;
  for (const name in masks) {
    const mask: bigint = masks[name];
    flags[name] = (value & mask) !== 0n;
    rest &= ~mask;
  }
  return { ...flags, reserved: rest.toString(16) };
}
