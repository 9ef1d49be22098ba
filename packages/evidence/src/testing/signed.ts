/** Signs JSON objects in the ways that records, statements and receipts are signed. Not part of the package. */
import { encodeBase64Url } from '../bytes/base64url.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import type { PublicKey } from '../crypto/key.ts';
import { canonicalJcs, canonicalSorted } from '../json/canonical.ts';
import { stringifyJson } from '../json/stringify.ts';
import type { JsonObject } from '../json/value.ts';
import type { Check } from '../report.ts';
import type { TestKey } from './session.ts';

/** `object` with a `signature` over its RFC 8785 form. */
export async function signJcs<T extends JsonObject>(object: T, key: TestKey): Promise<T & { signature: string }> {
  return { ...object, signature: await key.sign(encodeUtf8(canonicalJcs(object))) };
}

/** `object` with a `signature` over its sorted form. */
export async function signSorted<T extends JsonObject>(object: T, key: TestKey): Promise<T & { signature: string }> {
  return { ...object, signature: await key.sign(encodeUtf8(canonicalSorted(object))) };
}

/** A key that signs as revocation statements are signed. */
export interface StatementKey {
  public: PublicKey;
  alg: string;
  sign(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

const CURVE_OF = { ES256: 'P-256', ES384: 'P-384' } as const;
const HASH_OF = { ES256: 'SHA-256', ES384: 'SHA-384' } as const;

export async function newStatementKey(alg: 'ed25519' | 'ES256' | 'ES384'): Promise<StatementKey> {
  const algorithm = alg === 'ed25519' ? 'Ed25519' : { name: 'ECDSA', namedCurve: CURVE_OF[alg] };
  const pair = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  if (!('privateKey' in pair)) throw new Error('not a key pair');
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  const how = alg === 'ed25519' ? 'Ed25519' : { name: 'ECDSA', hash: HASH_OF[alg] };
  const sign = async (bytes: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await crypto.subtle.sign(how, pair.privateKey, bytes));
  const width = (raw.length - 1) / 2;
  const key: PublicKey =
    alg === 'ed25519'
      ? { kind: 'ed25519', raw }
      : { kind: 'ec', curve: CURVE_OF[alg], x: raw.slice(1, 1 + width), y: raw.slice(1 + width) };
  return { public: key, alg, sign };
}

/** `object` with a `sig` as revocation statements and bundles carry it. */
export async function signStatement(object: JsonObject, key: StatementKey, alg = key.alg): Promise<JsonObject> {
  const value = encodeBase64Url(await key.sign(encodeUtf8(canonicalJcs(object))));
  return { ...object, sig: { alg, value } };
}

/** The outcome of the check `id`, or undefined when there is none. */
export function outcomeOf(checks: readonly Check[], id: string): string | undefined {
  return checks.find((check) => check.id === id)?.outcome;
}

/** The ids of the checks that failed. */
export function failures(checks: readonly Check[]): string[] {
  return checks.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
}

/** The ids of required checks that are not proven. */
export function open(checks: readonly Check[]): string[] {
  return checks.filter((check) => check.required && check.outcome !== 'proven').map(({ id }) => id);
}

/** The text of `object` with each of its bits flipped in turn. */
export function* bitFlips(object: JsonObject): Generator<Uint8Array<ArrayBuffer>> {
  const bytes = encodeUtf8(stringifyJson(object));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield flipped;
  }
}

/** `object` with the value at `path` replaced; undefined takes it away. */
export function altered<T extends JsonObject>(object: T, path: string, value: unknown): T {
  const copy = structuredClone(object);
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let at: Record<string, unknown> = copy;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}
