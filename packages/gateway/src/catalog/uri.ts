/** Longer URIs are refused unread. */
export const MAX_URI = 4096;

/** RFC 3986: a scheme, then the characters that a URI may hold; a percent sign only before two hex digits. */
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;
const ENCODED = /%[0-9A-Fa-f]{2}/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL_OR_BACKSLASH = /[\u0000-\u001f\u007f-\u009f\\]/;
/** Also as the value of a parameter: a server may use that as a path. */
const DOT_SEGMENT = /(?:^|[/:?#&=;,])\.{1,2}(?:[/?#&;,]|$)/;
/** One character each: what is encoded stays together, also where it takes several bytes of UTF-8. */
const CHARACTER = /%[C-Fc-f][0-9A-Fa-f](?:%[89ABab][0-9A-Fa-f])+|%[0-9A-Fa-f]{2}|[\s\S]/g;

/**
 * Why `uri` is none that the catalog can approve, as the end of a sentence about it; null where it can. Only canonical URIs are
 * ever looked up: whatever two readers could take for different things is refused (MCP26-38, ATK-22).
 */
export function uriProblem(uri: string): string | null {
  if (uri.length > MAX_URI) return `is longer than ${MAX_URI} characters`;
  if (!URI.test(uri)) return 'is not a URI: it needs a scheme, and whatever is no plain ASCII must be percent-encoded';
  if (uri.indexOf('#') !== uri.lastIndexOf('#')) return 'has two fragments';
  const decoded = decodedOnce(uri);
  if (decoded === null) return 'encodes bytes that are not UTF-8';
  if (ENCODED.test(decoded)) return 'is percent-encoded twice';
  if (CONTROL_OR_BACKSLASH.test(decoded)) return 'encodes a control character or a backslash';
  if (DOT_SEGMENT.test(decoded)) return 'holds a "." or ".." segment';
  return null;
}

function decodedOnce(uri: string): string | null {
  try {
    return decodeURIComponent(uri);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

/** The characters of a URI; one that is percent-encoded is one. */
export function uriCharacters(uri: string): string[] {
  return uri.match(CHARACTER) ?? [];
}

/** The same for URIs that RFC 3986 section 6.2.2 calls equivalent, so that one cannot be approved twice in two spellings. */
export function uriKey(uri: string): string {
  const [host = ''] = /^[^:]*:(?:\/\/[^/?#]*)?/.exec(uri) ?? [];
  const plain = (text: string): string => text.replaceAll(/%[0-9A-Fa-f]{2}/g, decodedIfPlain);
  return plain(host).toLowerCase() + plain(uri.slice(host.length));
}

function decodedIfPlain(encoded: string): string {
  const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16));
  return /[A-Za-z0-9\-._~]/.test(character) ? character : encoded.toUpperCase();
}
