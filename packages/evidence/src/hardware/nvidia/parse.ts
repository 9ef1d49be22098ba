import { encodeHex } from '../../bytes/hex.ts';
import { ByteReader } from '../../bytes/reader.ts';
import { FormatError } from '../../format-error.ts';

/** ECDSA over P-384, which is what the devices of this maker sign with. */
const SIGNATURE_LENGTH = 96;
const NONCE_LENGTH = 32;
/** Measurement blocks in the form that DSP0274 itself defines. */
const DMTF_SPECIFICATION = 1;
const VERSION_OF_OPAQUE_DATA = 1;

/** One measurement of the device (DSP0274 1.1, DMTF specification measurement value format). */
export interface Measurement {
  index: number;
  /** The kind of thing that was measured: bits 0 to 6 of the value type. */
  type: number;
  /** True for the measured bytes themselves, false for their digest. */
  raw: boolean;
  value: string;
}

/** What the device says besides measurements. Fields that it leaves out are null; text fields are without their padding. */
export interface OpaqueData {
  driverVersion: string | null;
  vbiosVersion: string | null;
  /** Measurement of the firmware whose key signs, as DICE defines it. */
  fwid: string | null;
  boardId: string | null;
  chipSku: string | null;
  chipSkuModification: string | null;
  project: string | null;
  projectSku: string | null;
  projectSkuModification: string | null;
  protectedPcie: string | null;
  nvdec0: string | null;
  measurementCounts: string | null;
  featureFlag: string | null;
  /** Fields that have no name here, by number. */
  others: Record<string, string>;
}

/** An SPDM GET_MEASUREMENTS request and the signed response to it, as NVIDIA devices report them. */
export interface GpuReport {
  request: { version: string; attributes: number; measurement: number; nonce: string; slot: number };
  response: { version: string; slot: number; nonce: string };
  measurements: Measurement[];
  opaque: OpaqueData;
  /** What the signature covers: everything before it. */
  signedLength: number;
  /** r and s, big-endian, one after the other. */
  signature: Uint8Array<ArrayBuffer>;
}

/**
 * Reads request and response of one SPDM 1.1 exchange (DSP0274). The signature is where the structure says that it is, and
 * nothing follows it.
 *
 * @throws FormatError
 */
export function parseGpuReport(bytes: Uint8Array<ArrayBuffer>): GpuReport {
  const reader = new ByteReader(bytes, 'SPDM report');
  const request = readRequest(reader);
  const response = readResponseHead(reader);
  const measurements = readMeasurements(reader.take(response.length, 'measurement record'), response.blocks);
  const nonce = reader.hex(NONCE_LENGTH, 'response nonce');
  const opaque = readOpaque(reader.take(reader.u16le('opaque length'), 'opaque data'));
  const signedLength = reader.at;
  const signature = reader.take(SIGNATURE_LENGTH, 'signature');
  reader.end();
  const { version, slot } = response;
  return { request, response: { version, slot, nonce }, measurements, opaque, signedLength, signature };
}

function readRequest(reader: ByteReader): GpuReport['request'] {
  const version = readHead(reader, 0xe0, 'request');
  const [attributes, measurement] = [reader.u8('request attributes'), reader.u8('requested measurement')];
  // Bit 0 asks for a signature; without it the response has none, whatever follows.
  if ((attributes & 1) === 0) throw new FormatError('SPDM report: the request does not ask for a signature');
  const nonce = reader.hex(NONCE_LENGTH, 'request nonce');
  return { version, attributes, measurement, nonce, slot: slotOf(reader.u8('request slot'), 'request') };
}

function readResponseHead(reader: ByteReader) {
  const version = readHead(reader, 0x60, 'response');
  reader.take(1, 'number of measurements');
  const slot = slotOf(reader.u8('response slot') & 0x0f, 'response');
  const blocks = reader.u8('number of blocks');
  const length = reader.u16le('record length') + 65536 * reader.u8('record length');
  return { version, slot, blocks, length };
}

function readHead(reader: ByteReader, code: number, which: string): string {
  const version = reader.u8(`${which} version`);
  if (version !== 0x11) throw new FormatError(`SPDM report: version 0x${version.toString(16)} is not known`);
  const found = reader.u8(`${which} code`);
  if (found !== code) throw new FormatError(`SPDM report: 0x${found.toString(16)} is not the code of a ${which}`);
  return '1.1';
}

function slotOf(value: number, which: string): number {
  if (value > 7) throw new FormatError(`SPDM report: the ${which} names a slot that no device has`);
  return value;
}

function readMeasurements(record: Uint8Array<ArrayBuffer>, blocks: number): Measurement[] {
  const reader = new ByteReader(record, 'SPDM measurement record');
  const measurements: Measurement[] = [];
  for (let i = 0; i < blocks; i++) {
    const index = reader.u8('index');
    const specification = reader.u8('measurement specification');
    if (specification !== DMTF_SPECIFICATION) {
      throw new FormatError(`SPDM measurement record: specification ${specification} is not known`);
    }
    if (index === 0 || measurements.some((other) => other.index === index)) {
      throw new FormatError(`SPDM measurement record: measurement ${index} is no measurement, or is there twice`);
    }
    measurements.push({ index, ...readValue(reader.take(reader.u16le('measurement size'), 'measurement')) });
  }
  reader.end();
  return measurements;
}

function readValue(bytes: Uint8Array<ArrayBuffer>): Omit<Measurement, 'index'> {
  const reader = new ByteReader(bytes, 'SPDM measurement');
  const kind = reader.u8('value type');
  const value = reader.hex(reader.u16le('value size'), 'value');
  reader.end();
  return { type: kind & 0x7f, raw: (kind & 0x80) !== 0, value };
}

/** Fields one after the other, each of a 16-bit type and length. Types are those of NVIDIA's attestation documents. */
function readOpaque(bytes: Uint8Array<ArrayBuffer>): OpaqueData {
  const reader = new ByteReader(bytes, 'SPDM opaque data');
  const fields = new Map<number, Uint8Array<ArrayBuffer>>();
  while (reader.left > 0) {
    const type = reader.u16le('field type');
    if (fields.has(type)) throw new FormatError(`SPDM opaque data: field ${type} is there twice`);
    fields.set(type, reader.take(reader.u16le('field length'), 'field'));
  }
  return nameFields(fields);
}

function nameFields(fields: Map<number, Uint8Array<ArrayBuffer>>): OpaqueData {
  const take = (type: number): Uint8Array<ArrayBuffer> | null => {
    const value = fields.get(type) ?? null;
    fields.delete(type);
    return value;
  };
  const hex = (type: number): string | null => mapped(take(type), encodeHex);
  const text = (type: number): string | null => mapped(take(type), printable);
  if ((take(34) ?? []).some((byte, i) => byte !== (i === 0 ? VERSION_OF_OPAQUE_DATA : 0))) {
    throw new FormatError('SPDM opaque data: its version is not known');
  }
  return {
    driverVersion: text(3),
    vbiosVersion: mapped(take(6), vbiosText),
    fwid: hex(20),
    boardId: hex(14),
    chipSku: text(15),
    chipSkuModification: text(16),
    project: text(17),
    projectSku: text(18),
    projectSkuModification: text(19),
    protectedPcie: hex(21),
    nvdec0: hex(11),
    measurementCounts: hex(12),
    featureFlag: hex(36),
    others: Object.fromEntries([...fields].map(([type, value]) => [String(type), encodeHex(value)])),
  };
}

function mapped<T, U>(value: T | null, change: (value: T) => U): U | null {
  return value === null ? null : change(value);
}

/** ASCII, padded with zeros at the end. */
function printable(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const used = end < 0 ? bytes : bytes.subarray(0, end);
  if (used.some((byte) => byte < 0x20 || byte > 0x7e) || bytes.subarray(used.length).some((byte) => byte !== 0)) {
    throw new FormatError('SPDM opaque data: a text field is not text');
  }
  return String.fromCharCode(...used);
}

/** `96.00.5E.00.01`: how NVIDIA writes the eight bytes, of which the lowest five are used. */
function vbiosText(bytes: Uint8Array): string {
  if (bytes.length !== 8 || bytes.subarray(5).some((byte) => byte !== 0)) {
    throw new FormatError('SPDM opaque data: the VBIOS version has not the form that is known');
  }
  return [3, 2, 1, 0, 4].map((i) => encodeHex(bytes.subarray(i, i + 1)).toUpperCase()).join('.');
}
