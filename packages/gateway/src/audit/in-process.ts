import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../clock.ts';
import type { Attest } from './evidence.ts';
import type { Schedule } from './group-commit.ts';
import { openJournal } from './journal.ts';
import { openSaltBox } from './salt-box.ts';
import { openSessionFiles } from './session-files.ts';
import { createSigner } from './signer.ts';
import { anchorSeal, plainStoreKey, standingSeal } from './store-key.ts';
import type { AuditLog, AuditStore } from './types.ts';

/** What a log is opened with. Plain values: they cross to the worker. */
export interface AuditLogOptions {
  /** Absolute path of the data folder: store, lock, key, session files. One log per folder. */
  dataDir: string;
  /** Sensitivity labels and their ranks: the vocabulary. */
  ranks: ReadonlyMap<string, number>;
  /** Written to claims. Printable ASCII. */
  gatewayVersion: string;
  /** The store's key, 32 bytes; left out, it lies in a file of the data folder. */
  storeKey?: Uint8Array;
}

/** As {@link AuditLogOptions}, with the effects injected. */
export interface InProcessOptions extends AuditLogOptions {
  store: AuditStore;
  /** Evidence about the machine; left out without a platform that gives any. */
  attest?: Attest;
  clock?: Clock;
  /** When a commit starts: at the end of the turn unless told. */
  schedule?: Schedule;
}

/** The log without a worker, over a store of the caller's. Takes no lock: that is the store's. */
export async function openAuditLogInProcess(options: InProcessOptions): Promise<AuditLog> {
  const storeKey = options.storeKey ?? plainStoreKey(options.dataDir);
  return openJournal({
    store: options.store,
    clock: options.clock ?? systemClock,
    uuid: randomUUID,
    signer: createSigner(),
    salts: openSaltBox(storeKey),
    anchors: anchorSeal(storeKey),
    standings: standingSeal(storeKey),
    files: openSessionFiles(options.dataDir),
    attest: options.attest ?? null,
    schedule: options.schedule ?? setImmediate,
    ranks: options.ranks,
    gatewayVersion: options.gatewayVersion,
  });
}
