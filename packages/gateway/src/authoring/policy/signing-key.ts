import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import {
  encodeBase64Url,
  isObject,
  JsonError,
  type JsonObject,
  parseJson,
  policyKeyId,
  readKeyText,
  successionPreimage,
  successionStatement,
} from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';

/** The key of whoever signs policy bundles. It is never on a machine that serves. */
export interface SigningKey {
  /** JWK member `x`: what `policy.key` pins. */
  x: string;
  keyId: string;
  /** Ed25519 over these bytes, base64url. */
  sign(bytes: Uint8Array): string;
}

/** Makes a key and writes it to `file`, mode 0600, as a JWK. @throws GatewayError OUTPUT_EXISTS rather than overwrite a key */
export async function createSigningKey(file: string): Promise<SigningKey> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { kty, crv, x = '', d } = privateKey.export({ format: 'jwk' });
  const jwk = { kty, crv, kid: policyKeyId(x), x, d };
  await writeFile(file, `${JSON.stringify(jwk)}\n`, { flag: 'wx', mode: 0o600 }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw new GatewayError('OUTPUT_EXISTS', `${file} is there already`);
      throw error;
    },
  );
  return signingKey(privateKey, x);
}

/** Reads a private key: a JWK, as {@link createSigningKey} writes it, or PKCS #8 in PEM. @throws GatewayError CONFIG_INVALID */
export async function readSigningKey(file: string): Promise<SigningKey> {
  const key = privateKeyIn(await readFile(file, 'utf8'));
  const x = key?.asymmetricKeyType === 'ed25519' ? key.export({ format: 'jwk' }).x : undefined;
  if (key === null || x === undefined) throw noKey(file, 'an Ed25519 private key, as JWK or PEM');
  return signingKey(key, x);
}

/** Reads a public key: a JWK, public or private, or `x` alone. @throws GatewayError CONFIG_INVALID */
export async function readVerifyingKey(file: string): Promise<string> {
  const x = readKeyText(await readFile(file, 'utf8'));
  if (x === null) throw noKey(file, 'an Ed25519 key, as JWK or its x alone');
  return x;
}

/** The statement by which `key` names who may sign once it is revoked, signed. `issuedAt`: ISO 8601. */
export function nameSuccessor(key: SigningKey, successor: string, issuedAt: string, reason: string): JsonObject {
  const statement = successionStatement({ currentKeyId: key.keyId, successor, issuedAt, reason });
  return { ...statement, signature: key.sign(successionPreimage(statement)) };
}

function signingKey(key: KeyObject, x: string): SigningKey {
  return { x, keyId: policyKeyId(x), sign: (bytes) => encodeBase64Url(sign(null, bytes, key)) };
}

function privateKeyIn(text: string): KeyObject | null {
  const jwk = text.trimStart().startsWith('{') ? jwkIn(text) : null;
  try {
    return jwk === null ? createPrivateKey(text) : createPrivateKey({ key: jwk, format: 'jwk' });
  } catch (error) {
    // What OpenSSL says of a text that is no key helps nobody.
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

function jwkIn(text: string): Record<string, string> {
  try {
    const value = parseJson(text);
    const texts = Object.entries(isObject(value) ? value : {}).filter(([, member]) => typeof member === 'string');
    return Object.fromEntries(texts) as Record<string, string>;
  } catch (error) {
    if (error instanceof JsonError) return {};
    throw error;
  }
}

function noKey(file: string, expected: string): GatewayError {
  return new GatewayError('CONFIG_INVALID', `${file} does not hold ${expected}; \`cmcp policy signing-key\` makes one`);
}
