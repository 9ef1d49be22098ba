import { decodeBase64Url } from '../bytes/base64url.ts';
import { decodeEvidenceBase64 } from '../bytes/evidence-base64.ts';
import { decodeUtf8, EncodingError } from '../bytes/utf8.ts';
import { FormatError } from '../format-error.ts';
import { JsonError } from '../json/error.ts';
import { parseJson } from '../json/parse.ts';
import { isObject, JsonNumber, type JsonObject, type JsonValue, member } from '../json/value.ts';
import { FILE_LIMITS } from '../session-document.ts';
import { SESSION_FORMAT } from '../session-file.ts';

/** What is shown in place of bytes that a text stands for. */
export type ShowBytes = (bytes: Uint8Array<ArrayBuffer>) => unknown;

/**
 * The members of a JSON text. A text in it that is a signed token is taken apart; of a session file, what its evidence is.
 *
 * @throws FormatError
 */
export function jsonMembers(bytes: Uint8Array, show: ShowBytes): unknown {
  try {
    const value = parseJson(bytes, FILE_LIMITS);
    return isObject(value) && member(value, 'format') === SESSION_FORMAT ? sessionMembers(value, show) : shown(value);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(error.message);
    throw error;
  }
}

function sessionMembers(file: JsonObject, show: ShowBytes): unknown {
  const members = Object.entries(file).map(([key, value]): [string, unknown] => {
    const isEvidence = key === 'evidence' && Array.isArray(value);
    return [key, isEvidence ? value.map((item) => evidenceMembers(item, show)) : shown(value)];
  });
  return new Map(members);
}

function evidenceMembers(item: JsonValue, show: ShowBytes): unknown {
  if (!isObject(item)) return shown(item);
  const members = Object.entries(item).map(([key, value]): [string, unknown] => {
    const data = key === 'data' && typeof value === 'string' ? decoded(value) : null;
    return [key, data === null ? shown(value) : show(data)];
  });
  return new Map(members);
}

function decoded(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return decodeEvidenceBase64(text);
  } catch (error) {
    if (error instanceof EncodingError) return null;
    throw error;
  }
}

/** JSON as members; a text that is a signed token is taken apart. */
export function shown(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return value.lexeme;
  if (typeof value === 'string') return tokenParts(value) ?? value;
  if (Array.isArray(value)) return value.map(shown);
  return isObject(value) ? new Map(Object.entries(value).map(([key, item]) => [key, shown(item)])) : value;
}

/** Header and claims of a compact token (RFC 7519), or null for any other text. */
function tokenParts(text: string): unknown {
  const parts = /^(eyJ[A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/.exec(text);
  if (parts === null) return null;
  try {
    const [header, claims] = [parts[1], parts[2]].map((part) =>
      shown(parseJson(decodeUtf8(decodeBase64Url(part ?? '')))),
    );
    return { 'token header': header, 'token claims': claims, 'token signature': parts[3] };
  } catch (error) {
    if (error instanceof EncodingError || error instanceof JsonError) return null;
    throw error;
  }
}
