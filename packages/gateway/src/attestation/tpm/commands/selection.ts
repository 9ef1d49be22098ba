import { type ByteReader, FormatError } from '@cmcp/evidence';
import { count } from '../answer.ts';
import type { PcrBank } from '../api.ts';
import { ALG } from '../constants.ts';
import { TpmWriter } from '../writer.ts';

/** Registers that PC client TPMs have. */
export const PCRS = 24;
const BITMAP_BYTES = 3;
const MOST_BANKS = 16;

/** TPM_ALG_ID of a bank. */
export const BANK_ID: Readonly<Record<PcrBank, number>> = { sha256: ALG.sha256, sha384: ALG.sha384 };
/** Bytes of a register. */
export const BANK_BYTES: Readonly<Record<PcrBank, number>> = { sha256: 32, sha384: 48 };

/** TPML_PCR_SELECTION with one bank. @throws RangeError for a register that there is not */
export function selectionOf(bank: PcrBank, indexes: readonly number[]): Uint8Array<ArrayBuffer> {
  const bitmap = new Uint8Array(BITMAP_BYTES);
  for (const index of indexes) {
    if (!Number.isInteger(index) || index < 0 || index >= PCRS) throw new RangeError(`there is no PCR ${index}`);
    bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return new TpmWriter().u32(1).u16(BANK_ID[bank]).u8(BITMAP_BYTES).bytes(bitmap).done();
}

/** Registers of a bank, ascending. */
interface Selection {
  bank: number;
  indexes: number[];
}

/** TPML_PCR_SELECTION. @throws FormatError */
export function readSelections(reader: ByteReader): Selection[] {
  return Array.from({ length: count(reader, 'banks', MOST_BANKS) }, () => {
    const bank = reader.u16be('bank');
    const size = reader.u8('size of bitmap');
    if (size > 4) throw new FormatError(`a bitmap of ${size} bytes`);
    const bitmap = reader.take(size, 'bitmap');
    const indexes = Array.from({ length: size * 8 }, (_, i) => i).filter((i) => ((bitmap[i >> 3] ?? 0) >> (i & 7)) & 1);
    return { bank, indexes };
  });
}
