import { encodeHex } from '../../bytes/hex.ts';
import { ByteReader } from '../../bytes/reader.ts';
import { FormatError } from '../../format-error.ts';
import { type BankName, bankById } from '../event-log/algorithm.ts';

const MAGIC = 0xff544347;
const ATTEST_QUOTE = 0x8018;
const ATTEST_NV = 0x8014;
/** Most banks that a selection can name (TPM 2.0 part 2, TPML_PCR_SELECTION). */
const MAX_BANKS = 16;
/** Four bytes of bitmap are more registers than any TPM has. */
const MAX_BITMAP = 4;

/** Registers of one bank. */
export interface PcrSelection {
  bank: BankName;
  /** Ascending. */
  indexes: readonly number[];
}

/** TPMS_CLOCK_INFO. */
export interface TpmClock {
  /** Milliseconds that the TPM has been powered, over its life. */
  milliseconds: bigint;
  resetCount: number;
  restartCount: number;
  /** False: the clock may have been set back by a loss of power. */
  safe: boolean;
}

interface AttestHead {
  /** The TPMS_ATTEST itself: the bytes that the attestation key signs. */
  signed: Uint8Array<ArrayBuffer>;
  /** Qualified name of the key, hex. */
  qualifiedSigner: string;
  extraData: Uint8Array<ArrayBuffer>;
  clock: TpmClock;
  /** 16 hex digits. */
  firmwareVersion: string;
}

/** A quote: TPMS_ATTEST of type TPM_ST_ATTEST_QUOTE. */
export interface TpmQuote extends AttestHead {
  type: 'quote';
  selection: readonly PcrSelection[];
  pcrDigest: Uint8Array<ArrayBuffer>;
}

/** The contents of an NV index, certified: TPMS_ATTEST of type TPM_ST_ATTEST_NV. */
export interface TpmNvCertify extends AttestHead {
  type: 'nv';
  /** Name of the index, hex: it depends on its attributes and policy. */
  indexName: string;
  offset: number;
  contents: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a TPMS_ATTEST, bare or with the size in front (TPM2B_ATTEST). Only the two types that mean something here are read: a
 * digest of NV contents (0x801C) or a time stamp is no evidence of a platform.
 *
 * @throws FormatError
 */
export function parseAttest(bytes: Uint8Array<ArrayBuffer>): TpmQuote | TpmNvCertify {
  const signed = withoutSize(bytes);
  const reader = new ByteReader(signed, 'TPMS_ATTEST');
  if (reader.u32be('magic') !== MAGIC) throw new FormatError('TPMS_ATTEST: it was not made by a TPM (magic)');
  const type = reader.u16be('type');
  const head: AttestHead = {
    signed,
    qualifiedSigner: encodeHex(sized(reader, 'qualified signer')),
    extraData: sized(reader, 'extra data'),
    clock: readClock(reader),
    firmwareVersion: reader.hex(8, 'firmware version'),
  };
  const attest = readBody(reader, type, head);
  reader.end();
  return attest;
}

/** As {@link parseAttest}, for evidence that must be a quote. @throws FormatError */
export function parseQuote(bytes: Uint8Array<ArrayBuffer>): TpmQuote {
  const attest = parseAttest(bytes);
  if (attest.type !== 'quote') throw new FormatError('TPMS_ATTEST: it certifies NV contents and is no quote');
  return attest;
}

/** Bytes after a 16-bit length (TPM2B). */
export function sized(reader: ByteReader, field: string): Uint8Array<ArrayBuffer> {
  return reader.take(reader.u16be(`size of ${field}`), field);
}

/** What a TPM2B holds, when `bytes` are one: the size in front fits exactly; else `bytes`. */
function withoutSize(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length < 6) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint16(0) === bytes.length - 2 && view.getUint32(2) === MAGIC ? bytes.subarray(2) : bytes;
}

function readClock(reader: ByteReader): TpmClock {
  const milliseconds = reader.u64be('clock');
  const resetCount = reader.u32be('reset count');
  const restartCount = reader.u32be('restart count');
  const safe = reader.u8('safe');
  if (safe > 1) throw new FormatError('TPMS_ATTEST: "safe" is neither yes nor no');
  return { milliseconds, resetCount, restartCount, safe: safe === 1 };
}

function readBody(reader: ByteReader, type: number, head: AttestHead): TpmQuote | TpmNvCertify {
  if (type === ATTEST_QUOTE) {
    return { type: 'quote', ...head, selection: readSelection(reader), pcrDigest: sized(reader, 'PCR digest') };
  }
  if (type === ATTEST_NV) {
    const indexName = encodeHex(sized(reader, 'index name'));
    const offset = reader.u16be('offset');
    return { type: 'nv', ...head, indexName, offset, contents: sized(reader, 'NV contents') };
  }
  throw new FormatError(`TPMS_ATTEST: type 0x${type.toString(16)} is neither a quote nor certified NV contents`);
}

function readSelection(reader: ByteReader): PcrSelection[] {
  const count = reader.u32be('number of banks');
  if (count > MAX_BANKS) throw new FormatError(`TPMS_ATTEST: a selection of ${count} banks`);
  const selection: PcrSelection[] = [];
  for (let i = 0; i < count; i++) {
    const id = reader.u16be('bank');
    const bank = bankById(id)?.name;
    if (bank === undefined) throw new FormatError(`TPMS_ATTEST: bank 0x${id.toString(16)} is not known`);
    if (selection.some((each) => each.bank === bank)) throw new FormatError(`TPMS_ATTEST: ${bank} is selected twice`);
    const size = reader.u8('size of a bitmap');
    if (size > MAX_BITMAP) throw new FormatError(`TPMS_ATTEST: a bitmap of ${size} bytes`);
    selection.push({ bank, indexes: indexesOf(reader.take(size, 'bitmap')) });
  }
  return selection;
}

function indexesOf(bitmap: Uint8Array): number[] {
  return [...bitmap].flatMap((byte, at) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => ((byte >> bit) & 1) === 1).map((bit) => 8 * at + bit),
  );
}

/** The selection as people write it, e.g. `sha256:0,1,2`; banks without a register are left out. */
export function selectionText(selection: readonly PcrSelection[]): string {
  return selection
    .filter(({ indexes }) => indexes.length > 0)
    .map(({ bank, indexes }) => `${bank}:${indexes.join(',')}`)
    .join('+');
}
