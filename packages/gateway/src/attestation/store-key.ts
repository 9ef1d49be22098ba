import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { equalBytes } from '@cmcp/evidence';
import { syncFolder, writeSecretFile } from '../audit/files.ts';
import { plainKeyFile, readPlainKey, STORE_KEY_BYTES } from '../audit/store-key.ts';
import { GatewayError } from '../errors.ts';
import type { Tpm } from './tpm/api.ts';
import { decodeSealed, encodeSealed } from './tpm/sealed-file.ts';
import { type SealedSecret, sealSecret, unsealSecret } from './tpm/sealing.ts';

/** What the key of a store is opened with. */
export interface StoreKeyGiven {
  /** The store's folder. Its holder alone opens its key. */
  dataDir: string;
  /** Registers that the key is to be sealed to; null: it is to lie in a file. */
  registers: readonly number[] | null;
  tpm: Tpm;
  report: (event: string, detail: string) => void;
}

type Key = Uint8Array<ArrayBuffer>;

/** Whether the key of the store in `dataDir` is sealed. */
export function isSealed(dataDir: string): boolean {
  return existsSync(sealedFile(dataDir));
}

/**
 * The key of a store, sealed as the configuration says from now on. A key that lay in a file is adopted, a key that is to lie in one
 * again is put there, and one that is sealed to other registers is sealed anew: each needs the machine to be in the state that opens
 * the key now, and each is reported. At no point is there neither file.
 *
 * @returns null when no file of either kind is there, nor asked for: the log makes a plain one
 * @throws GatewayError STORE_SEALED, STORE_INVALID
 */
export async function openStoreKey(given: StoreKeyGiven): Promise<Key | null> {
  const { dataDir, registers } = given;
  if (registers?.length === 0)
    throw new GatewayError(
      'CONFIG_INVALID',
      '`attestation.tpm.seal` names no register: list at least one, such as [7]',
    );
  const plain = readPlainKey(dataDir);
  const sealed = isSealed(dataDir) ? readSealed(dataDir) : null;
  if (sealed === null) return registers === null ? plain : adopt(given, registers, plain);
  const key = await unsealStored(given, sealed);
  if (plain !== null && !equalBytes(plain, key)) throw twoKeys(dataDir);
  if (registers === null) return layOpen(given, key);
  if (!sameRegisters(sealed, registers)) await sealStored(given, registers, key, 'sealed anew');
  if (plain !== null) removePlain(given);
  return key;
}

/** The key that lay in a file, or a new one: sealed before the plain file goes. */
async function adopt(given: StoreKeyGiven, registers: readonly number[], plain: Key | null): Promise<Key> {
  const key = plain ?? new Uint8Array(randomBytes(STORE_KEY_BYTES));
  await sealStored(given, registers, key, plain === null ? 'made and sealed' : 'adopted and sealed');
  if (plain !== null) removePlain(given);
  return key;
}

/** Seals, and puts the file in its place only once the TPM has opened it again. */
async function sealStored(given: StoreKeyGiven, registers: readonly number[], key: Key, what: string): Promise<void> {
  const { tpm } = given;
  const sealed = await sealing(given, () => sealSecret(tpm, registers, key));
  const opened = await sealing(given, () => unsealSecret(tpm, sealed));
  if (!equalBytes(opened, key)) throw refused(given.dataDir, 'the TPM gave back something else than was sealed');
  writeSecretFile(sealedFile(given.dataDir), encodeSealed(sealed));
  const names = [...sealed.registers.keys()].join(', ');
  given.report('store.sealed', `the key of the store in ${given.dataDir} was ${what}, to PCR ${names}`);
}

async function unsealStored(given: StoreKeyGiven, sealed: SealedSecret): Promise<Key> {
  const { tpm } = given;
  const key = await sealing(given, () => unsealSecret(tpm, sealed));
  if (key.length === STORE_KEY_BYTES) return key;
  throw invalid(given.dataDir, `holds no key of ${STORE_KEY_BYTES} bytes`);
}

/** Back to a plain file, as the configuration asks: before an update of the firmware, for instance. */
function layOpen(given: StoreKeyGiven, key: Key): Key {
  const { dataDir, report } = given;
  writeSecretFile(plainKeyFile(dataDir), key);
  remove(sealedFile(dataDir));
  report(
    'store.unsealed',
    `the key of the store lies in ${plainKeyFile(dataDir)} again: \`attestation.tpm.seal\` is not set`,
  );
  return key;
}

function removePlain({ dataDir, report }: StoreKeyGiven): void {
  const path = plainKeyFile(dataDir);
  remove(path);
  report('store.sealed', `${path} was removed: the key is sealed now. Copies and backups of that file still hold it`);
}

function remove(path: string): void {
  rmSync(path);
  syncFolder(dirname(path));
}

function sealedFile(dataDir: string): string {
  return join(dataDir, 'store.sealed');
}

function readSealed(dataDir: string): SealedSecret {
  const sealed = decodeSealed(readFileSync(sealedFile(dataDir)));
  if (sealed === null) throw invalid(dataDir, 'is not a sealed key, or was altered');
  return sealed;
}

function sameRegisters(sealed: SealedSecret, registers: readonly number[]): boolean {
  const wanted = new Set(registers);
  return wanted.size === sealed.registers.size && [...wanted].every((index) => sealed.registers.has(index));
}

/** Says of a refusal which file it is about, and what can be done. */
async function sealing<T>({ dataDir }: StoreKeyGiven, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'STORE_SEALED') throw refused(dataDir, error.detail, error);
    throw error;
  }
}

function refused(dataDir: string, why: string, cause?: unknown): GatewayError {
  const path = sealedFile(dataDir);
  return new GatewayError(
    'STORE_SEALED',
    `the TPM does not seal or unseal the key of the audit store (${path}): ${why}. Start the machine in the state in which the key was sealed. If that state will not come back, move ${path} away: a new key is made, and the salts of earlier calls can never be opened again; entries and claims are not lost. Before an update that changes these registers, start once with \`attestation.tpm.seal\` unset`,
    { cause },
  );
}

function invalid(dataDir: string, what: string): GatewayError {
  return new GatewayError('STORE_INVALID', `${sealedFile(dataDir)} ${what}: put it back from a copy`);
}

function twoKeys(dataDir: string): GatewayError {
  return new GatewayError(
    'STORE_INVALID',
    `${sealedFile(dataDir)} and ${plainKeyFile(dataDir)} hold different keys: move away the one that does not belong to this store`,
  );
}
