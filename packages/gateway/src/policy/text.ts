import { decodeUtf8, EncodingError, encodeUtf8 } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';

/** One text file of a bundle, as hashed: UTF-8 with universal newlines (wire-formats section 2). */
export interface BundleText {
  /** Path inside the bundle, with `/`. */
  path: string;
  text: string;
}

/** The error for `path` of the bundle; `line` is 1-based. */
export function refuseBundle(path: string, problem: string, line?: number): GatewayError {
  return new GatewayError('POLICY_INVALID', `${path}${line === undefined ? '' : `:${line}`}: ${problem}`);
}

/** Strict UTF-8, then `\r\n` and `\r` become `\n`. A byte order mark stays, as in the reference. */
export function readText(bytes: Uint8Array, path: string): BundleText {
  try {
    return { path, text: decodeUtf8(bytes).replaceAll(/\r\n?/g, '\n') };
  } catch (error) {
    if (error instanceof EncodingError) throw refuseBundle(path, 'the file is not valid UTF-8');
    throw error;
  }
}

/** 1-based line of a byte offset, which is how Cedar says where. */
export function lineAt(text: string, byteOffset: number): number {
  const before = encodeUtf8(text).subarray(0, byteOffset);
  let line = 1;
  for (const byte of before) if (byte === 0x0a) line += 1;
  return line;
}
