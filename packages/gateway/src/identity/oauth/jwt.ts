import {
  decodeBase64Url,
  decodeUtf8,
  EncodingError,
  isObject,
  JsonError,
  type JsonObject,
  parseJson,
} from '@cmcp/evidence';

/** A JSON Web Token as it stands, before anybody looked whether it is genuine. */
export interface ReadJwt {
  text: string;
  header: JsonObject;
  claims: JsonObject;
}

const MAX_LENGTH = 8_192;
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/;

/** What a token says, or null where the text is none: three parts, the first two of them JSON objects without repeated members. */
export function readJwt(text: string): ReadJwt | null {
  if (text.length > MAX_LENGTH) return null;
  const [, head = '', body = ''] = COMPACT.exec(text) ?? [];
  const [header, claims] = [objectIn(head), objectIn(body)];
  return header === null || claims === null ? null : { text, header, claims };
}

function objectIn(part: string): JsonObject | null {
  if (part === '') return null;
  try {
    const value = parseJson(decodeUtf8(decodeBase64Url(part)));
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof EncodingError || error instanceof JsonError) return null;
    throw error;
  }
}
