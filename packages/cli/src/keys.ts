import { readFile } from 'node:fs/promises';
import {
  decodeBase64Url,
  EncodingError,
  isObject,
  JsonError,
  type JsonObject,
  member,
  parseJson,
} from '@cmcp/evidence';
import { RefusedError } from './io.ts';

/** A claim key to trust, and where the trust comes from. */
export interface NamedKey {
  x: string;
  source: string;
}

/** Whether `x` is a raw Ed25519 public key in base64url. */
function isKey(x: string): boolean {
  try {
    return decodeBase64Url(x).length === 32;
  } catch (error) {
    if (error instanceof EncodingError) return false;
    throw error;
  }
}

/**
 * Reads the key that a relying party names with `--key`: an Ed25519 JWK, or its `x` alone.
 * @throws RefusedError when the file holds neither
 */
export async function readKey(file: string): Promise<NamedKey> {
  const text = (await readFile(file, 'utf8')).trim();
  const x = text.startsWith('{') ? keyOfJwk(parseJwk(text, file)) : text;
  if (x === null || !isKey(x)) {
    throw new RefusedError(`${file} holds no Ed25519 public key: expected a JWK, or its x in base64url on one line`);
  }
  return { x, source: file };
}

function parseJwk(text: string, file: string): JsonObject {
  try {
    const value = parseJson(text);
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw new RefusedError(`${file} is not a JWK`);
}

function keyOfJwk(jwk: JsonObject): string | null {
  const x = member(jwk, 'x');
  const ed25519 = member(jwk, 'kty') === 'OKP' && member(jwk, 'crv') === 'Ed25519';
  return ed25519 && typeof x === 'string' ? x : null;
}

/**
 * The keys of dev-mode gateways that ran on this machine for this user, so that a first verification needs no `--key`.
 * The source says so, because it is this machine's word and nobody else's. Lines that hold no key are skipped.
 */
export async function knownKeys(variables: Readonly<Record<string, string>>): Promise<NamedKey[]> {
  const { knownKeysFile } = await import('@cmcp/gateway');
  const file = knownKeysFile(variables);
  if (file === null) return [];
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text
    .split('\n')
    .map((line) => line.trim().split(' ')[0] ?? '')
    .filter(isKey)
    .map((x) => ({ x, source: `known on this machine: ${file}` }));
}
