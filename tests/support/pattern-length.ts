/**
 * UTF-16 units of the longest text that a pattern matches, without what it looks ahead or back at. Infinity where nothing bounds it.
 * Knows what the detectors' patterns are written with.
 */
export function longestMatch(pattern: RegExp): number {
  const reader = { source: pattern.source, at: 0, wide: pattern.unicode ? 2 : 1 };
  const length = alternatives(reader);
  if (reader.at !== reader.source.length) throw new SyntaxError(`unread: ${reader.source.slice(reader.at)}`);
  return length;
}

interface Reader {
  source: string;
  at: number;
  wide: number;
}

function alternatives(reader: Reader): number {
  let longest = sequence(reader);
  while (reader.source[reader.at] === '|') {
    reader.at++;
    longest = Math.max(longest, sequence(reader));
  }
  return longest;
}

function sequence(reader: Reader): number {
  let sum = 0;
  while (reader.at < reader.source.length && !'|)'.includes(reader.source[reader.at] as string)) {
    const one = atom(reader);
    const times = repeated(reader);
    sum += one === 0 || times === 0 ? 0 : one * times;
  }
  return sum;
}

const GROUP_HEAD = /\((?:\?(?::|=|!|<=|<!|<\w+>))?/y;
const CLASS = /\[(?:\\.|[^\]\\])*\]/y;
const ESCAPE = /\\(?:[pP]\{[^}]+\}|.)/y;

function atom(reader: Reader): number {
  const { source } = reader;
  if (source[reader.at] === '(') {
    const isLook = /[=!]$/.test(take(reader, GROUP_HEAD));
    const length = alternatives(reader);
    reader.at++;
    return isLook ? 0 : length;
  }
  if (source[reader.at] === '[') {
    take(reader, CLASS);
    return reader.wide;
  }
  if (source[reader.at] === '\\') return /[bB]$/.test(take(reader, ESCAPE)) ? 0 : reader.wide;
  return '^$'.includes(source[reader.at++] as string) ? 0 : reader.wide;
}

function take(reader: Reader, what: RegExp): string {
  what.lastIndex = reader.at;
  const taken = what.exec(reader.source)?.[0];
  if (taken === undefined) throw new SyntaxError(`unread: ${reader.source.slice(reader.at)}`);
  reader.at += taken.length;
  return taken;
}

const QUANTIFIER = /(?:\{(?<least>\d+)(?<open>,)?(?<most>\d+)?\}|(?<sign>[?*+]))\??/y;

function repeated(reader: Reader): number {
  QUANTIFIER.lastIndex = reader.at;
  const match = QUANTIFIER.exec(reader.source);
  if (match === null) return 1;
  reader.at += match[0].length;
  const { least, open, most, sign } = match.groups ?? {};
  if (sign !== undefined) return sign === '?' ? 1 : Number.POSITIVE_INFINITY;
  if (most !== undefined) return Number(most);
  return open === undefined ? Number(least) : Number.POSITIVE_INFINITY;
}
