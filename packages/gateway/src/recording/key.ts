import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { readBase64Url } from '@cmcp/evidence';
import type { Config } from '../config/types.ts';

export const RECORDING_KEY_BYTES = 32;

/** Whether `x` is a raw X25519 public key in base64url. */
export function isRecordingKey(x: string): boolean {
  return readBase64Url(x)?.length === RECORDING_KEY_BYTES;
}

/** What a recording key is called in commitments and recordings: its RFC 7638 thumbprint, base64url. */
export function recordingKeyId(x: string): string {
  return createHash('sha256').update(`{"crv":"X25519","kty":"OKP","x":"${x}"}`).digest('base64url');
}

/** The public key whose raw bytes are `x`, base64url. */
export function x25519Public(x: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
}

/** What a session commits to: the key that decisions are recorded for, or that they are not. */
export function recordingOf({ recordDecisions }: Pick<Config, 'recordDecisions'>): string {
  return recordDecisions === null ? 'off' : recordingKeyId(recordDecisions.key);
}
