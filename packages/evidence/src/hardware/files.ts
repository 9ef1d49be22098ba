import { decodeHex } from '../bytes/hex.ts';
import { decodeUtf8, EncodingError } from '../bytes/utf8.ts';
import { notChecked } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import type { EvidenceFiles } from './given.ts';
import { type EvidenceCheck, type EvidenceKind, remark } from './verdict.ts';

/** What reading a file gave, or what is wrong with the file in plain words. */
export type Reading<T> = { value: T; problem: null } | { value: null; problem: string };

/** Reads a structure. Only its {@link FormatError} becomes an answer: any other error is a defect of this package. */
export function reading<T>(read: () => T): Reading<T> {
  try {
    return { value: read(), problem: null };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { value: null, problem: error.message };
  }
}

/** The bytes of `role`; undefined when none were supplied. A role is data: it never reaches a prototype. */
export function fileOf(files: EvidenceFiles, role: string): Uint8Array<ArrayBuffer> | undefined {
  return Object.hasOwn(files, role) ? files[role] : undefined;
}

/** The bytes of a file of hex text, such as `nonce.hex`: see {@link hexBytes}. @throws FormatError */
export function hexText(file: Uint8Array): Uint8Array<ArrayBuffer> {
  try {
    return hexBytes(decodeUtf8(file));
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`it is not hex text: ${error.message}`);
    throw error;
  }
}

/**
 * The bytes of hex text as people and tools write it: digits of either case, `0x` in front or not, white space around it.
 *
 * @throws FormatError
 */
export function hexBytes(text: string): Uint8Array<ArrayBuffer> {
  try {
    return decodeHex(text.trim().replace(/^0x/, '').toLowerCase());
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`it is not hex text: ${error.message}`);
    throw error;
  }
}

/** Says which supplied files this kind of evidence has no use for. They were not read. */
export function surplus(kind: EvidenceKind, files: EvidenceFiles, known: readonly string[]): EvidenceCheck[] {
  const unknown = Object.keys(files).filter((role) => !known.includes(role));
  if (unknown.length === 0) return [];
  const detail = `not read, because ${kind} evidence has no such role: ${unknown.join(', ')}`;
  return [remark('authentic', `${kind}.roles`, 'Was every supplied file used?', notChecked(detail))];
}
