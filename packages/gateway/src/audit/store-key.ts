import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { equalBytes } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { writeSecretFile } from './files.ts';

/** Bytes of the key that a store encrypts and authenticates with. It is never the claim key (contracts section 4). */
export const STORE_KEY_BYTES = 32;

/** Where the key lies when it is not sealed to the machine. */
export function plainKeyFile(dataDir: string): string {
  return join(dataDir, 'salts.key');
}

/**
 * The key in the plain file of `dataDir`; null when there is no such file.
 *
 * @throws GatewayError STORE_INVALID when the file is not a key
 */
export function readPlainKey(dataDir: string): Uint8Array<ArrayBuffer> | null {
  const path = plainKeyFile(dataDir);
  if (!existsSync(path)) return null;
  const bytes = new Uint8Array(readFileSync(path));
  if (bytes.length === STORE_KEY_BYTES) return bytes;
  throw new GatewayError('STORE_INVALID', `${path} is not a key of ${STORE_KEY_BYTES} bytes`);
}

/** As {@link readPlainKey}; the file is created, mode 0600, when it is absent. */
export function plainStoreKey(dataDir: string): Uint8Array<ArrayBuffer> {
  const stored = readPlainKey(dataDir);
  if (stored !== null) return stored;
  const key = new Uint8Array(randomBytes(STORE_KEY_BYTES));
  writeSecretFile(plainKeyFile(dataDir), key);
  return key;
}

/** Says of a text that who wrote it had the store's key. */
export interface RecordSeal {
  /** HMAC-SHA-256 under a key that HKDF (RFC 5869) derives for this purpose alone, lower-case hex. */
  tag(text: string): string;
  /** In constant time. */
  opens(text: string, tag: string): boolean;
}

/** The seal of what a store records about the counter that anchors it. */
export function anchorSeal(storeKey: Uint8Array): RecordSeal {
  return recordSeal(storeKey, 'cmcp-store-anchor-v1');
}

/** The seal of what a store remembers of who may put something in force (D-16). */
export function standingSeal(storeKey: Uint8Array): RecordSeal {
  return recordSeal(storeKey, 'cmcp-store-standing-v1');
}

function recordSeal(storeKey: Uint8Array, purpose: string): RecordSeal {
  const key = Buffer.from(hkdfSync('sha256', storeKey, new Uint8Array(), purpose, 32));
  const tag = (text: string): string => createHmac('sha256', key).update(text, 'utf8').digest('hex');
  return { tag, opens: (text, given) => equalBytes(Buffer.from(tag(text)), Buffer.from(given)) };
}
