import { encodeHex } from '../../bytes/hex.ts';
import { ByteReader } from '../../bytes/reader.ts';
import { FormatError } from '../../format-error.ts';
import { parseTdReport, TD_REPORT_15_SIZE, TD_REPORT_SIZE, type TdReport } from './td-report.ts';

/** First 48 bytes of a quote. */
export interface QuoteHeader {
  version: 4 | 5;
  teeType: 'TDX';
  attestationKeyType: 'ECDSA P-256';
  qeVendorId: string;
  userData: string;
}

/** Report of the quoting enclave, 384 bytes: the SGX enclave that made the quote. */
export interface QeReport {
  cpuSvn: string;
  miscSelect: string;
  attributes: string;
  /** Attribute bit 1: the memory of the enclave can be read from outside. */
  debug: boolean;
  mrEnclave: string;
  mrSigner: string;
  isvProdId: number;
  isvSvn: number;
  reportData: Uint8Array<ArrayBuffer>;
}

/** What lets the quoting enclave sign: its report, signed by the PCK, over its key and authentication data. */
export interface QeCertification {
  report: QeReport;
  /** The 384 bytes that the PCK signed. */
  reportBytes: Uint8Array<ArrayBuffer>;
  /** r and s, 32 bytes each, big-endian. */
  signature: Uint8Array<ArrayBuffer>;
  authData: Uint8Array<ArrayBuffer>;
  /** PCK chain, leaf first: PEM, or DER certificates one after the other. May be empty. */
  certificates: Uint8Array<ArrayBuffer>;
}

/** A TDX quote of version 4 or 5. */
export interface TdxQuote {
  header: QuoteHeader;
  body: TdReport;
  /** Header and body: what the attestation key signed. */
  signed: Uint8Array<ArrayBuffer>;
  /** r and s, 32 bytes each, big-endian. */
  signature: Uint8Array<ArrayBuffer>;
  /** x and y, 32 bytes each, big-endian. */
  attestationKey: Uint8Array<ArrayBuffer>;
  qe: QeCertification;
  /** Bytes after the quote, which no signature covers and which are not parsed. */
  trailing: { bytes: number; zero: boolean };
}

const WHAT = 'TDX quote';
const TDREPORT_SIZE = 1024;
const TEE_TYPE_SGX = 0x00;
const TEE_TYPE_TDX = 0x81;
const ECDSA_P256 = 2;
const INTEL_QE_VENDOR = '939a7233f79c4ca9940a0db3957f0607';
const QE_REPORT_CERTIFICATION = 6;
const PCK_CHAIN = 5;

/**
 * Reads a quote (Intel TDX DCAP quote format, versions 4 and 5). Other versions, TEEs, key types and kinds of certification data
 * are refused, and so is a TDREPORT, which is no evidence to anyone but its own machine.
 *
 * @throws FormatError
 */
export function parseQuote(bytes: Uint8Array<ArrayBuffer>): TdxQuote {
  refuseTdReport(bytes);
  const reader = new ByteReader(bytes, WHAT);
  const header = readHeader(reader);
  const body = header.version === 4 ? parseTdReport(reader.take(TD_REPORT_SIZE, 'TD report')) : readBody5(reader);
  const signed = bytes.subarray(0, reader.at);
  const auth = new ByteReader(reader.take(reader.u32le('size of the signature data'), 'signature data'), WHAT);
  const signature = auth.take(64, 'signature');
  const attestationKey = auth.take(64, 'attestation key');
  const qe = readCertification(auth);
  auth.end();
  const rest = bytes.subarray(reader.at);
  const trailing = { bytes: rest.length, zero: rest.every((byte) => byte === 0) };
  return { header, body, signed, signature, attestationKey, qe, trailing };
}

/** A TDREPORT starts with its type, 0x81, where a quote has its version, and always has 1024 bytes. */
function refuseTdReport(bytes: Uint8Array): void {
  if (bytes.length === TDREPORT_SIZE && bytes[0] === TEE_TYPE_TDX) {
    throw new FormatError(
      'this is a TDREPORT, not a quote: only the machine that made it can check it, so it is never remote evidence',
    );
  }
}

function readHeader(reader: ByteReader): QuoteHeader {
  const version = reader.u16le('version');
  if (version === 3) throw new FormatError(`${WHAT}: version 3 is a quote of an SGX enclave, not of a TDX guest`);
  if (version !== 4 && version !== 5) throw new FormatError(`${WHAT}: version ${version} is not known`);
  const keyType = reader.u16le('attestation key type');
  const teeType = reader.u32le('TEE type');
  if (teeType === TEE_TYPE_SGX) throw new FormatError(`${WHAT}: the TEE is an SGX enclave, not a TDX guest`);
  if (teeType !== TEE_TYPE_TDX) throw new FormatError(`${WHAT}: TEE type 0x${teeType.toString(16)} is not known`);
  if (keyType !== ECDSA_P256) throw new FormatError(`${WHAT}: attestation key type ${keyType} is not known`);
  reader.zeros(4, 'header bytes 8 to 11');
  const qeVendorId = reader.hex(16, 'vendor of the quoting enclave');
  if (qeVendorId !== INTEL_QE_VENDOR) {
    throw new FormatError(`${WHAT}: the vendor of the quoting enclave, ${qeVendorId}, is not Intel`);
  }
  return {
    version,
    teeType: 'TDX',
    attestationKeyType: 'ECDSA P-256',
    qeVendorId,
    userData: reader.hex(20, 'user data'),
  };
}

const BODY_SIZES: ReadonlyMap<number, number> = new Map([
  [2, TD_REPORT_SIZE],
  [3, TD_REPORT_15_SIZE],
]);

/** Version 5 says which kind of body follows: 2 is TDX 1.0, 3 is TDX 1.5. */
function readBody5(reader: ByteReader): TdReport {
  const type = reader.u16le('body type');
  const size = reader.u32le('body size');
  const expected = BODY_SIZES.get(type);
  if (expected === undefined) throw new FormatError(`${WHAT}: body type ${type} is not that of a TDX guest`);
  if (size !== expected) throw new FormatError(`${WHAT}: a body of type ${type} has ${expected} bytes, not ${size}`);
  return parseTdReport(reader.take(size, 'TD report'));
}

function readCertification(auth: ByteReader): QeCertification {
  const data = readTyped(auth, QE_REPORT_CERTIFICATION);
  const reportBytes = data.take(384, 'report of the quoting enclave');
  const signature = data.take(64, 'signature over the report of the quoting enclave');
  const authData = data.take(data.u16le('size of the authentication data'), 'authentication data');
  const certificates = readTyped(data, PCK_CHAIN);
  data.end();
  return {
    report: parseQeReport(reportBytes),
    reportBytes,
    signature,
    authData,
    certificates: certificates.take(certificates.left, 'PCK chain'),
  };
}

/** Certification data: type, size, content. */
function readTyped(reader: ByteReader, wanted: number): ByteReader {
  const type = reader.u16le('type of the certification data');
  if (type !== wanted)
    throw new FormatError(`${WHAT}: certification data of type ${type}, where type ${wanted} is read`);
  return new ByteReader(reader.take(reader.u32le('size of the certification data'), 'certification data'), WHAT);
}

const SGX_DEBUG = 0x02;

function parseQeReport(bytes: Uint8Array<ArrayBuffer>): QeReport {
  const reader = new ByteReader(bytes, 'report of the quoting enclave');
  const cpuSvn = reader.hex(16, 'CPUSVN');
  const miscSelect = reader.hex(4, 'MISCSELECT');
  reader.zeros(12, 'bytes 20 to 31');
  reader.take(16, 'ISVEXTPRODID');
  const attributes = reader.take(16, 'ATTRIBUTES');
  const mrEnclave = reader.hex(32, 'MRENCLAVE');
  reader.zeros(32, 'bytes 96 to 127');
  const mrSigner = reader.hex(32, 'MRSIGNER');
  reader.zeros(32, 'bytes 160 to 191');
  reader.take(64, 'CONFIGID');
  const isvProdId = reader.u16le('ISVPRODID');
  const isvSvn = reader.u16le('ISVSVN');
  reader.take(2, 'CONFIGSVN');
  reader.zeros(42, 'bytes 262 to 303');
  reader.take(16, 'ISVFAMILYID');
  const reportData = reader.take(64, 'REPORTDATA');
  return {
    cpuSvn,
    miscSelect,
    attributes: encodeHex(attributes),
    debug: ((attributes[0] ?? 0) & SGX_DEBUG) !== 0,
    mrEnclave,
    mrSigner,
    isvProdId,
    isvSvn,
    reportData,
  };
}
