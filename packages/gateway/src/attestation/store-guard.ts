import { chmodSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Anchor, AnchorPosition } from '../audit/anchor.ts';
import { CountedLog } from '../audit/counted-log.ts';
import { lockStore } from '../audit/lock.ts';
import { anchorSeal, plainStoreKey } from '../audit/store-key.ts';
import { readStoredAnchor, unverifiedAnchor } from '../audit/stores/stored-anchor.ts';
import type { AuditLog } from '../audit/types.ts';
import { GatewayError } from '../errors.ts';
import type { Timers } from '../timers.ts';
import { assertNewest, CounterAnchor } from './counter-anchor.ts';
import { isSealed, openStoreKey } from './store-key.ts';
import type { Tpm } from './tpm/api.ts';
import { counterIndex, type RollbackCounter, tpmCounter } from './tpm/rollback-counter.ts';
import type { Attestation } from './types.ts';

/** What the store in a folder is to be guarded with. */
export interface StoreGuardGiven {
  /** Absolute path of the store's folder; created, mode 0700. */
  dataDir: string;
  /** Registers that the store's key is to be sealed to; null: it lies in a file. */
  seal: readonly number[] | null;
  /** Whether a counter of the TPM anchors the store. */
  rollbackCounter: boolean;
  /** Used only when there is something to do for it. Let go of with the log, or at once when no counter needs it any more. */
  tpm: Tpm;
  timers: Timers;
  /** For operators: an event's name and what happened. */
  report: (event: string, detail: string) => void;
}

/** A log whose store a TPM guards as far as the configuration asks for it. */
export interface GuardedLog {
  log: AuditLog;
  rollbackProtection: Attestation['rollbackProtection'];
}

type Key = Uint8Array<ArrayBuffer>;

/** Opens the log with the store's key; null: the key lies in its file. */
export type OpenWithKey = (storeKey: Key | null) => Promise<AuditLog>;

/**
 * Unseals the key of a store and compares the store with its counter, before anything is written to it; then opens its log. When this
 * resolves, no earlier copy of the store passes for the newest any more.
 *
 * @throws GatewayError STORE_SEALED, STORE_ROLLED_BACK, STORE_INVALID, STORE_IN_USE, ATTESTATION_UNAVAILABLE, CONFIG_INVALID, and
 * what `open` rejects with
 */
export async function openGuardedLog(given: StoreGuardGiven, open: OpenWithKey): Promise<GuardedLog> {
  if (!given.rollbackCounter) return uncounted(given, open).finally(() => given.tpm.close());
  try {
    return await counted(given, open);
  } catch (error) {
    await given.tpm.close();
    throw error;
  }
}

async function uncounted(given: StoreGuardGiven, open: OpenWithKey): Promise<GuardedLog> {
  const { dataDir, seal } = given;
  const sealed = seal !== null || isSealed(dataDir);
  const recorded = unverifiedAnchor(dataDir);
  const log = sealed ? await locked(dataDir, async () => open(await storeKey(given))) : await open(null);
  return guarded(log, async () => {
    if (recorded !== null && recorded.anchor?.value !== null) await giveUp(given, log, recorded.anchor);
    return { log, rollbackProtection: 'none' };
  });
}

async function counted(given: StoreGuardGiven, open: OpenWithKey): Promise<GuardedLog> {
  const { dataDir, tpm, timers, report } = given;
  const { log, recorded, counter } = await locked(dataDir, async () => {
    const key = (await storeKey(given)) ?? plainStoreKey(dataDir);
    const recorded = readStoredAnchor(dataDir, anchorSeal(key));
    const counter = tpmCounter(tpm, recorded?.index ?? counterIndex(realpathSync(dataDir)));
    await compare(dataDir, recorded, counter);
    return { log: await open(key), recorded, counter };
  });
  return guarded(log, async () => {
    const anchor = new CounterAnchor(counter, recorded, (position) => log.recordAnchor(position));
    const advance = () => anchor.advance();
    await advance();
    const countedLog = new CountedLog({ log, advance, timers, report, letGo: () => tpm.close() });
    return { log: countedLog, rollbackProtection: 'tpm-nv' };
  });
}

function storeKey(given: StoreGuardGiven): Promise<Key | null> {
  return openStoreKey({ ...given, registers: given.seal });
}

/** Until the log has taken its own lock nobody else may make a key for the store, or compare it with its counter. */
async function locked<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  chmodSync(dataDir, 0o700);
  const lock = lockStore(join(dataDir, 'guard.lock'));
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/** What is done with the log once it is open. When that fails, the log is closed again. */
async function guarded(log: AuditLog, work: () => Promise<GuardedLog>): Promise<GuardedLog> {
  try {
    return await work();
  } catch (error) {
    await log.close();
    throw error;
  }
}

async function compare(dataDir: string, recorded: AnchorPosition | null, counter: RollbackCounter): Promise<void> {
  try {
    assertNewest(recorded, await counter.state(), counter.index);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw new GatewayError(error.code, `${dataDir}: ${error.detail}`, { cause: error });
  }
}

/** A store whose counter is not asked may be an older copy: from now on it says that no counter vouches for it. */
async function giveUp({ dataDir, report }: StoreGuardGiven, log: AuditLog, recorded: Anchor | null): Promise<void> {
  await log.recordAnchor({ index: recorded?.index ?? counterIndex(realpathSync(dataDir)), value: null });
  report(
    'store.not_counted',
    `the store in ${dataDir} was not compared with its counter: \`attestation.tpm.rollback_counter\` is not set`,
  );
}
