/** Text of `size` characters made of one piece over and over. */
export const filled = (piece: string, size: number): string =>
  piece.repeat(Math.ceil(size / piece.length)).slice(0, size);

const SENTENCES =
  'The quarterly report lists fourteen open items, three of them late. Storage costs rose by 4 % against the previous month; ' +
  'the team in Lisbon moved its review to Thursday and asks for the slides by noon. Ticket 48213 was closed after the cache was ' +
  'rebuilt. Nothing else changed in the build, and the next release follows the usual plan. ';

/** What most answers are: prose without anything to find. */
export const cleanText = (size: number): string => filled(SENTENCES, size);

/** A record of a tool's answer without anything to find, as structured content has it. */
export function cleanRecords(size: number): { items: object[] } {
  const items: object[] = [];
  for (let bytes = 0; bytes < size; bytes += 118) {
    const index = items.length;
    items.push({
      title: `Open item ${index}`,
      state: 'in review',
      estimate: index % 13,
      notes: 'waits for the next build',
    });
  }
  return { items };
}

function nested(size: number): string {
  let text = 'the next review is on Thursday. ';
  for (let depth = 0; depth < 3; depth += 1) text = Buffer.from(text, 'utf8').toString('base64');
  return filled(`${text} `, size);
}

function nestedWhole(size: number): string {
  let text = cleanText(Math.floor(size / 2.5));
  for (let depth = 0; depth < 3; depth += 1) text = Buffer.from(text, 'utf8').toString('base64');
  return text.slice(0, size - (size % 4));
}

/** What is made to be slow, as a function of its size. */
export const ADVERSARIAL: Readonly<Record<string, (size: number) => string>> = {
  'near misses of an e-mail address': (size) => filled('aaaaaaaaaaaaaaaa@aaaaaaaaaaaaaaaa.', size),
  'one local part': (size) => `${filled('a', size - 1)}@`,
  'at signs': (size) => filled('@', size),
  'dots and letters': (size) => filled('a.', size),
  digits: (size) => filled('4', size),
  'digits in groups': (size) => filled('4111 1111 1111 1112 ', size),
  'IBANs with a wrong check': (size) => filled('DE89 3704 0044 0532 0130 01 ', size),
  'hex digits': (size) => filled('deadbeef', size),
  'base64 characters': (size) => filled('QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo', size),
  'base64 in base64 in base64, many': nested,
  'base64 in base64 in base64, one': nestedWhole,
  'percent escapes': (size) => filled('%41', size),
  'percent escapes of percent signs': (size) => filled('%25', size),
  entities: (size) => filled('&#65;', size),
  ampersands: (size) => filled('&', size),
  'entities of ampersands': (size) => filled('&amp;', size),
  'opening angle brackets': (size) => filled('<', size),
  'comment openings': (size) => filled('<!--', size),
  'square brackets': (size) => filled('![', size),
  'round and square brackets': (size) => filled('[](', size),
  'link starts': (size) => filled('https://', size),
  'zero width spaces': (size) => filled('\u200b', size),
  'letters with zero width spaces': (size) => filled('i\u200b', size),
  'combining marks': (size) => `a${filled('\u0301', size - 1)}`,
  'ligatures that NFKC makes longer': (size) => filled('\ufdfa', size),
  'tag characters': (size) => filled('\u{e0061}', size - (size % 2)),
  'ANSI openings': (size) => filled('\u001b[', size),
  'ANSI link openings': (size) => filled('\u001b]8;;', size),
  spaces: (size) => filled(' ', size),
  'line breaks': (size) => filled('\n', size),
  'starts of a known phrase': (size) => filled('ignore ', size),
  'starts of a known phrase, then spaces': (size) => filled(`ignore${' '.repeat(200)}`, size),
  'all but the end of a known phrase': (size) => filled('ignore all previous instruction ', size),
  'starts of keys': (size) => filled('ghp_', size),
  'names of secrets': (size) => filled('password=', size),
  'key headers': (size) => filled('-----BEGIN PRIVATE KEY-----', size),
  'words without spaces': (size) => filled('abcdefghijklmnopqrstuvwxyz', size),
  'quotation marks and backslashes': (size) => filled('\\"', size),
};
