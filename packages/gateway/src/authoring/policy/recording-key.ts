import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { isObject, JsonError, type JsonValue, member, parseJson, stringifyJson } from '@cmcp/evidence';
import { readRegularFile } from '../../catalog/read-file.ts';
import { GatewayError } from '../../errors.ts';
import { isRecordingKey, recordingKeyId } from '../../recording/key.ts';

const MAX_KEY_FILE = 16 * 1024;

/** The public half of a recording key, as the configuration takes it, and what it is called. */
export interface RecordingKey {
  key: string;
  keyId: string;
}

/**
 * Makes a key that decisions can be recorded for, and writes its private half to a new file that its owner alone can read.
 *
 * @throws GatewayError OUTPUT_EXISTS
 */
export async function createRecordingKey(file: string): Promise<RecordingKey> {
  const { crv, kty, x, d } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  const key = String(x);
  const keyId = recordingKeyId(key);
  const jwk = { kty: String(kty), crv: String(crv), x: key, d: String(d), kid: keyId, use: 'enc' };
  try {
    await writeFile(file, `${stringifyJson(jwk)}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    throw new GatewayError('OUTPUT_EXISTS', `${file} exists already; a key is never replaced. Name another file.`);
  }
  return { key, keyId };
}

/** The private key in `file`. @throws GatewayError RECORDING_INVALID */
export async function readRecordingKey(file: string): Promise<KeyObject> {
  const refuse = (problem: string): GatewayError => new GatewayError('RECORDING_INVALID', `${file}: ${problem}`);
  const jwk = parsed(await readRegularFile(file, MAX_KEY_FILE, refuse));
  const [crv, x, d] = isObject(jwk) ? [member(jwk, 'crv'), member(jwk, 'x'), member(jwk, 'd')] : [];
  if (crv !== 'X25519' || typeof x !== 'string' || typeof d !== 'string' || !isRecordingKey(x) || !isRecordingKey(d)) {
    throw refuse('holds no private X25519 key; give the file that `cmcp policy keygen` wrote');
  }
  return createPrivateKey({ key: { kty: 'OKP', crv, x, d }, format: 'jwk' });
}

function parsed(bytes: Uint8Array): JsonValue {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (error instanceof JsonError) return null;
    throw error;
  }
}
