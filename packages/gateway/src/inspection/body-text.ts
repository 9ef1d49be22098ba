/** Base64 of RFC 4648 in either alphabet; padding may be missing. */
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;
/** Characters of a long body that are decoded to see whether it can be text. */
const BEGINNING = 4096;

/** What a base64 body holds. */
export interface Body {
  /** Null: it cannot be text. */
  text: string | null;
  /** Whether it is UTF-8. Other text is read as far as it goes, and nobody says what else is in it. */
  exact: boolean;
}

const BINARY: Body = { text: null, exact: false };

/** Null for what is not base64. */
export function readBody(body: string): Body | null {
  const written = /\s/.test(body) ? body.replaceAll(/\s+/g, '') : body;
  if (!BASE64.test(written)) return null;
  const beginning = decoded(written.slice(0, BEGINNING));
  // NUL is in hardly any text, and early in almost everything else; one that somebody put into a text makes it nothing else.
  if (beginning.includes(0) && !beginsAsText(beginning)) return BINARY;
  const bytes = decoded(written);
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), exact: true };
  } catch (error) {
    if (error instanceof TypeError) return { text: bytes.toString('utf8'), exact: false };
    throw error;
  }
}

/** The body that holds a text. */
export function bodyOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

const decoded = (written: string): Buffer => Buffer.from(written, 'base64');

/** Whether bytes are UTF-8, of which the last character may be cut off. */
function beginsAsText(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
