import { encodeBase64Url, readBase64Url } from '../bytes/base64url.ts';
import { isAcceptableKeyText, type SignatureResult, verifyEd25519 } from '../crypto/ed25519.ts';
import { ML_DSA_65_KEY_BYTES, verifyMlDsa65 } from '../crypto/ml-dsa.ts';
import { sha256Hex } from '../crypto/sha256.ts';
import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import { list, object, type Rule, text } from '../shape.ts';

/** The algorithms that manifests are signed with. A hybrid signature is two, and both must hold. */
export type ManifestAlgorithm = 'Ed25519' | 'ML-DSA-65' | 'hybrid-Ed25519-ML-DSA-65';

/** A public key that the relying party trusts for manifests. */
export interface ManifestKey {
  /** Lower-case hex of the SHA-256 over `key`. */
  id: string;
  /** What the key is for follows from its length, never from what a manifest says. */
  algorithm: ManifestAlgorithm;
  /** Raw public key: Ed25519 (32 bytes), ML-DSA-65 (1952), or both, one after the other. */
  key: Uint8Array<ArrayBuffer>;
  /** Issuers that the key may sign for. Left out on all keys: any issuer. Left out on some: those may sign for none. */
  issuers?: readonly string[];
  /** Shown in the report, e.g. the file that the key was read from. */
  source: string;
}

const ED25519_BYTES = 32;
const ALGORITHMS = new Map<number, ManifestAlgorithm>([
  [ED25519_BYTES, 'Ed25519'],
  [ML_DSA_65_KEY_BYTES, 'ML-DSA-65'],
  [ED25519_BYTES + ML_DSA_65_KEY_BYTES, 'hybrid-Ed25519-ML-DSA-65'],
]);

const KEY_ID = text(/^[0-9a-f]{64}$/);
const ONE_KEY = object({ public_key_base64url: text() }, { key_id: KEY_ID, issuers: list(text()) });
const KEYS: Rule = (value, path) => {
  const many = object({ keys: list(ONE_KEY) })(value, path);
  return many === null ? null : ONE_KEY(value, path);
};

interface KeyEntry {
  public_key_base64url: string;
  key_id?: string;
  issuers?: string[];
}

/**
 * Reads a trust anchor file: `{public_key_base64url, key_id?, issuers?}` or `{keys: […]}` (wire-formats section 16.8). A key id
 * must be that of its key.
 *
 * @param source shown in reports, e.g. the file's name
 * @throws FormatError
 */
export function readManifestKeys(input: Uint8Array | string, source: string): ManifestKey[] {
  const value = readJsonObject(input, source);
  const problem = KEYS(value, source);
  if (problem !== null) throw new FormatError(problem);
  const file = value as unknown as KeyEntry | { keys: KeyEntry[] };
  const keys = ('keys' in file ? file.keys : [file]).map((entry) => keyOf(entry, source));
  if (keys.length === 0) throw new FormatError(`${source} holds no key`);
  if (new Set(keys.map(({ id }) => id)).size < keys.length) throw new FormatError(`${source} holds a key twice`);
  return keys;
}

/** The trusted key with these raw bytes. @throws FormatError when they are no public key that manifests are signed with */
export function manifestKey(key: Uint8Array<ArrayBuffer>, source: string, issuers?: readonly string[]): ManifestKey {
  const algorithm = ALGORITHMS.get(key.length);
  if (algorithm === undefined) throw new FormatError(`${source}: a key of ${key.length} bytes is of no known kind`);
  if (algorithm !== 'ML-DSA-65' && !isAcceptableKeyText(encodeBase64Url(key.subarray(0, ED25519_BYTES)))) {
    throw new FormatError(`${source}: the Ed25519 key is of small order or not in its one encoding`);
  }
  return { id: sha256Hex(key), algorithm, key, source, ...(issuers === undefined ? {} : { issuers }) };
}

/** The two halves of a hybrid signature; one of them is empty where there is one signature only. */
export interface SignatureHalves {
  /** Ed25519. */
  classical: Uint8Array;
  /** ML-DSA-65. */
  pq: Uint8Array;
}

/** Whether `signature` over `message` is one of `key`: both halves of it for a hybrid key. */
export async function verifyWith(
  { algorithm, key }: ManifestKey,
  signature: SignatureHalves,
  message: Uint8Array<ArrayBuffer>,
): Promise<SignatureResult> {
  const pqKey = algorithm === 'ML-DSA-65' ? key : key.subarray(ED25519_BYTES);
  if (algorithm !== 'Ed25519' && !verifyMlDsa65(pqKey, signature.pq, message)) return 'invalid';
  if (algorithm === 'ML-DSA-65') return 'valid';
  const classicalKey = encodeBase64Url(key.subarray(0, ED25519_BYTES));
  return verifyEd25519(classicalKey, encodeBase64Url(signature.classical), message);
}

function keyOf(entry: KeyEntry, source: string): ManifestKey {
  const raw = readBase64Url(entry.public_key_base64url);
  if (raw === null) throw new FormatError(`${source}: public_key_base64url is not strict base64url`);
  const key = manifestKey(raw, source, entry.issuers);
  if (entry.key_id !== undefined && entry.key_id !== key.id) {
    throw new FormatError(`${source}: key_id ${entry.key_id} is not that of its key`);
  }
  return key;
}
