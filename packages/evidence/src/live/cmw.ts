import { encodeBase64Url, readBase64Url } from '../bytes/base64url.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import type { JsonValue } from '../json/value.ts';

/** Media type of an RFC 9999 (CMW) record in JSON. */
export const CMW_MEDIA_TYPE = 'application/cmw+json';

/** Indicator bit 2: the record holds evidence (RFC 9999, CMW indicators). */
const EVIDENCE = 4;

/** A CMW record in JSON: media type, base64url value, and what kind of message it is. */
export function cmwRecord(mediaType: string, text: string): string {
  return JSON.stringify([mediaType, encodeBase64Url(encodeUtf8(text)), EVIDENCE]);
}

/**
 * The value of a CMW record in JSON that holds evidence of `mediaType`.
 *
 * @throws FormatError for anything else
 */
export function cmwValue(record: readonly JsonValue[], mediaType: string): Uint8Array<ArrayBuffer> {
  const [type, value, indicator = EVIDENCE] = record;
  if (record.length < 2 || record.length > 3) throw new FormatError('the CMW record has not two or three members');
  if (type !== mediaType) throw new FormatError(`the CMW record holds no ${mediaType}`);
  if (indicator !== EVIDENCE) throw new FormatError('the CMW record does not say that it holds evidence');
  const bytes = typeof value === 'string' ? readBase64Url(value) : null;
  if (bytes === null) throw new FormatError('the value of the CMW record is not base64url');
  return bytes;
}
