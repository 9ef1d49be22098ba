import { FormatError } from '../../format-error.ts';
import { readJsonObject } from '../../json/document.ts';
import { isObject, type JsonObject, type JsonValue } from '../../json/value.ts';
import { type BankAlgorithm, type BankName, bankByName } from '../event-log/algorithm.ts';
import { hexBytes, reading } from '../files.ts';
import type { PcrSelection } from './parse.ts';

/** PCR values by bank and index. They are not signed: a quote vouches for those that it selects, when they hash to its digest. */
export type PcrValues = ReadonlyMap<BankName, ReadonlyMap<number, Uint8Array<ArrayBuffer>>>;

/**
 * Reads PCR values from JSON: `{"sha256": {"0": "<hex>", …}, …}`. Hex of either case, with or without `0x`.
 *
 * @throws FormatError
 */
export function parsePcrValues(bytes: Uint8Array): PcrValues {
  const banks = new Map<BankName, Map<number, Uint8Array<ArrayBuffer>>>();
  for (const [name, registers] of Object.entries(readJsonObject(bytes, 'PCR values', { depth: 3, items: 1000 }))) {
    const algorithm = bankByName(name);
    if (algorithm === undefined) throw new FormatError(`PCR values: bank ${JSON.stringify(name)} is not known`);
    if (!isObject(registers)) throw new FormatError(`PCR values: ${name} is not an object`);
    banks.set(algorithm.name, readRegisters(registers, algorithm));
  }
  return banks;
}

/** The selected values, one after the other in the order in which a TPM hashes them; or the name of one that is missing. */
export function selectedValues(
  selection: readonly PcrSelection[],
  values: PcrValues,
): Uint8Array<ArrayBuffer> | { missing: string } {
  const parts: number[] = [];
  for (const { bank, indexes } of selection) {
    for (const index of indexes) {
      const value = values.get(bank)?.get(index);
      if (value === undefined) return { missing: `${bank}:${index}` };
      parts.push(...value);
    }
  }
  return Uint8Array.from(parts);
}

function readRegisters(registers: JsonObject, { name, size }: BankAlgorithm): Map<number, Uint8Array<ArrayBuffer>> {
  return new Map(
    Object.entries(registers).map(([key, value]) => {
      if (!/^(?:[0-9]|[12][0-9]|3[01])$/.test(key)) {
        throw new FormatError(`PCR values: ${JSON.stringify(key)} is not the index of a register`);
      }
      return [Number(key), readDigest(value, size, `${name}:${key}`)];
    }),
  );
}

function readDigest(value: JsonValue, size: number, where: string): Uint8Array<ArrayBuffer> {
  const digest = typeof value === 'string' ? reading(() => hexBytes(value)).value : null;
  if (digest?.length !== size) throw new FormatError(`PCR values: ${where} is not ${size} bytes as hex`);
  return digest;
}
