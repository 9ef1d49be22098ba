/** A hash that measured-boot registers are computed with, by its registered name. `sm3-256` is known and not computed. */
export type BankName = 'sha1' | 'sha256' | 'sha384' | 'sha512' | 'sm3-256';

/** A TPM_ALG_ID of a hash with what it means (TCG Algorithm Registry). */
export interface BankAlgorithm {
  readonly id: number;
  readonly name: BankName;
  /** Digest length in bytes. */
  readonly size: number;
}

const BANKS: readonly BankAlgorithm[] = [
  { id: 0x0004, name: 'sha1', size: 20 },
  { id: 0x000b, name: 'sha256', size: 32 },
  { id: 0x000c, name: 'sha384', size: 48 },
  { id: 0x000d, name: 'sha512', size: 64 },
  { id: 0x0012, name: 'sm3-256', size: 32 },
];

/** The hash with this TPM_ALG_ID, or undefined when it is none that is known. */
export function bankById(id: number): BankAlgorithm | undefined {
  return BANKS.find((bank) => bank.id === id);
}

/** The hash of this name, or undefined when it is none that is known. */
export function bankByName(name: string): BankAlgorithm | undefined {
  return BANKS.find((bank) => bank.name === name);
}
