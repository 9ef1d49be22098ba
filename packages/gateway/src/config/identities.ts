import { text } from './readers.ts';

const SUBJECT = /^[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?$/;

/** What somebody is called. */
export const subject = text('a name of 1 to 128 printable ASCII characters, such as research-agent', (given) =>
  SUBJECT.test(given) ? given : undefined,
);

export const tokenDigest = text(
  'the SHA-256 of the token as 64 lower-case hexadecimal digits (printf %s "$TOKEN" | sha256sum)',
  (given) => (/^[0-9a-f]{64}$/.test(given) ? given : undefined),
  // Somebody will paste the token itself.
  true,
);
