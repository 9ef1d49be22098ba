import { createHash } from 'node:crypto';
import { ByteReader, FormatError } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { NvPublic, Tpm, TpmCommands } from './api.ts';
import { TPMA_NV } from './constants.ts';
import { TpmError } from './error.ts';

/** What there is at the place of a counter. */
export type CounterState =
  | { kind: 'undefined' }
  /** Defined, and never incremented: it has no value yet (TPM 2.0 Part 3, section 31.8). */
  | { kind: 'unwritten' }
  | { kind: 'value'; value: bigint }
  /** Something else than a counter of ours. */
  | { kind: 'foreign' };

/**
 * A number in a TPM that only goes up. It survives the restoring of a disk, and one that is deleted and made again begins above what
 * it had (TPM 2.0 Part 3, section 31.8). Rejects with GatewayError
 * ATTESTATION_UNAVAILABLE when the TPM does not do what it should.
 */
export interface RollbackCounter {
  /** Handle of the NV index. */
  readonly index: number;
  state(): Promise<CounterState>;
  define(): Promise<void>;
  increment(): Promise<void>;
}

/** Indexes that belong to the owner of the machine (TCG Registry of Reserved TPM 2.0 Handles, section 2.2). */
const OWNER_RANGE = { first: 0x0180_0000, bits: 22 };

/** Not TPMA_NV_ORDERLY: such a counter lives in memory and is written now and then (TPM 2.0 Part 2, section 13.4). */
const ATTRIBUTES =
  TPMA_NV.counter | TPMA_NV.ownerWrite | TPMA_NV.authWrite | TPMA_NV.ownerRead | TPMA_NV.authRead | TPMA_NV.noDA;
const BYTES = 8;

/**
 * Where the counter of a new store is made: it follows from the store's folder, so that a store that was emptied meets the counter of
 * the one that was there.
 *
 * @param folder absolute path, without symbolic links
 */
export function counterIndex(folder: string): number {
  const digest = createHash('sha256').update('cmcp-store-counter-v1').update(folder, 'utf8').digest();
  return OWNER_RANGE.first + (digest.readUInt32BE(0) >>> (32 - OWNER_RANGE.bits));
}

/** The counter at `index` of a TPM. */
export function tpmCounter(tpm: Tpm, index: number): RollbackCounter {
  const run = <T>(work: (commands: TpmCommands) => Promise<T>): Promise<T> => orUnavailable(() => tpm.run(work));
  return {
    index,
    state: () => run((commands) => stateOf(commands, index)),
    define: () => run((commands) => commands.nvDefine(index, ATTRIBUTES, BYTES)),
    increment: () => run((commands) => commands.nvIncrement(index)),
  };
}

async function stateOf(commands: TpmCommands, index: number): Promise<CounterState> {
  const area = await commands.nvReadPublic(index);
  if (area === null) return { kind: 'undefined' };
  if (!isOurs(area)) return { kind: 'foreign' };
  if ((area.attributes & TPMA_NV.written) === 0) return { kind: 'unwritten' };
  const reader = new ByteReader(await commands.nvRead(index), 'an NV counter');
  const value = reader.u64be('value');
  reader.end();
  return { kind: 'value', value };
}

function isOurs({ attributes, size, policy }: NvPublic): boolean {
  return (attributes & ~TPMA_NV.written) === ATTRIBUTES && size === BYTES && policy.length === 0;
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof TpmError) && !(cause instanceof FormatError)) throw cause;
    throw new GatewayError(
      'ATTESTATION_UNAVAILABLE',
      `\`attestation.tpm.rollback_counter\` is set, and the TPM does not keep a counter: ${cause.message}`,
      { cause },
    );
  }
}
