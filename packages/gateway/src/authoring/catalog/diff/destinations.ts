import type { JsonValue } from '@cmcp/evidence';
import { plainText } from '../lint/plain-text.ts';
import { type TextAt, textsIn } from './texts.ts';

const URL_LIKE = /\b[a-z][a-z0-9+.-]{1,20}:\/\/([^\s/?#"'<>`\\)\]}]{1,256})/gi;
const MAIL = /[\w.+-]{1,64}@((?:[\w-]{1,63}\.){1,8}[a-z]{2,24})\b/gi;
const IPV4 = /(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?)(?![\d.])/g;
/** A host without a scheme is told from `file.txt` and `a.b` by endings that hosts have and files do not. */
const BARE =
  /\b((?:[a-z0-9-]{1,63}\.){1,8}(?:com|net|org|io|dev|ai|app|cloud|xyz|info|site|online|top|ru|cn|co|example|onion))\b/gi;

/** A place that data could be sent to or fetched from. */
export interface Destination {
  host: string;
  path: string;
}

/** The hosts that a value names anywhere: description, instructions, defaults, enums, icons. */
export function destinationsIn(value: JsonValue): Destination[] {
  return textsIn(value).flatMap(({ text, path }) => [...hostsIn(text, path)].map((host) => ({ host, path })));
}

function hostsIn(text: string, path: TextAt['path']): Set<string> {
  // Where a schema says which dialect it is written in, nothing is sent.
  if (/\/\$(?:schema|id)$/.test(path) && /^https?:\/\/json-schema\.org\//.test(text)) return new Set();
  const plain = plainText(text);
  const found = [URL_LIKE, MAIL, IPV4, BARE].flatMap((pattern) => [...plain.matchAll(pattern)]);
  return new Set(
    found.map(([, host = '']) =>
      host
        .replace(/^[^@]*@/, '')
        .toLowerCase()
        .replace(/\.$/, ''),
    ),
  );
}
