/** A way to write a phrase so that a plain search does not see it, and a model or a person that decodes still does. */
export type Obfuscation = (text: string) => string;

const letters = (text: string, to: (letter: string, index: number) => string): string =>
  [...text].map((letter, index) => to(letter, index)).join('');

const between = (mark: string) => (text: string) => [...text].join(mark);

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

const shifted = (first: number, last: number, by: number) => (letter: string) => {
  const code = letter.charCodeAt(0);
  return letter.length === 1 && code >= first && code <= last ? String.fromCodePoint(code + by) : letter;
};

const CYRILLIC: Readonly<Record<string, string>> = {
  a: 'а',
  c: 'с',
  e: 'е',
  i: 'і',
  o: 'о',
  p: 'р',
  s: 'ѕ',
  x: 'х',
  y: 'у',
};
const GREEK: Readonly<Record<string, string>> = { i: 'ι', o: 'ο', v: 'ν', A: 'Α', E: 'Ε', I: 'Ι', O: 'Ο', T: 'Τ' };
const LEET: Readonly<Record<string, string>> = { a: '4', e: '3', i: '1', o: '0', s: '5', t: '7' };

function rot13(text: string): string {
  return text.replace(/[a-z]/gi, (letter) => {
    const first = letter < 'a' ? 65 : 97;
    return String.fromCharCode(((letter.charCodeAt(0) - first + 13) % 26) + first);
  });
}

const mathematical = (text: string): string =>
  letters(text, (letter) => {
    const upper = shifted(65, 90, 0x1d400 - 65)(letter);
    return upper === letter ? shifted(97, 122, 0x1d41a - 97)(letter) : upper;
  });

/** What hides letters and leaves them where they are. */
export const HIDINGS: Readonly<Record<string, Obfuscation>> = {
  'two spaces': (text) => text.replaceAll(' ', '  '),
  'line breaks': (text) => text.replaceAll(' ', '\n'),
  'no-break spaces': (text) => text.replaceAll(' ', '\u00a0'),
  'capitals in turn': (text) =>
    letters(text, (letter, at) => (at % 2 === 0 ? letter.toUpperCase() : letter.toLowerCase())),
  'full width (NFKC)': (text) => letters(text, shifted(33, 126, 0xfee0)),
  'mathematical bold (NFKC)': mathematical,
  'tag characters': (text) => letters(text, shifted(32, 126, 0xe0000)),
  'zero width space': between('\u200b'),
  'zero width joiner': between('\u200d'),
  'soft hyphen': between('\u00ad'),
  'word joiner': between('\u2060'),
  'variation selectors': between('\ufe0f'),
  'bidi embedding': (text) => `\u202a${text.replaceAll(' ', ' \u202c\u202a')}\u202c`,
  'bidi isolates': between('\u2066\u2069'),
  'bidi override, reversed': (text) => `\u202e${[...text].reverse().join('')}\u202c`,
  'Cyrillic confusables': (text) => letters(text, (letter) => CYRILLIC[letter] ?? letter),
  'Greek confusables': (text) => letters(text, (letter) => GREEK[letter] ?? letter),
  'ANSI colours': (text) => letters(text, (letter) => `\u001b[8m${letter}\u001b[0m`),
  'ANSI link': (text) => text.replaceAll(' ', '\u001b]8;;https://docs.example\u0007 \u001b]8;;\u0007'),
  leetspeak: (text) => letters(text, (letter) => LEET[letter.toLowerCase()] ?? letter),
};

/** What writes letters in other characters, and gives them back when it is undone. */
export const ENCODINGS: Readonly<Record<string, Obfuscation>> = {
  'HTML entities, decimal': (text) => letters(text, (letter) => `&#${letter.codePointAt(0)};`),
  'HTML entities, hexadecimal': (text) => letters(text, (letter) => `&#x${letter.codePointAt(0)?.toString(16)};`),
  'HTML entities, named': (text) => text.replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll(' ', '&nbsp;'),
  percent: (text) =>
    [...Buffer.from(text, 'utf8')].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  base64,
  'base64 in lines': (text) => base64(text).replace(/.{16}/g, '$&\r\n'),
  base64url: (text) => Buffer.from(text, 'utf8').toString('base64url'),
  hex: (text) => Buffer.from(text, 'utf8').toString('hex'),
  rot13,
};

/** Encodings in encodings, up to three deep. */
const NESTED: Readonly<Record<string, Obfuscation>> = {
  'base64 twice': (text) => base64(base64(text)),
  'base64 three times': (text) => base64(base64(base64(text))),
  'hex in base64': (text) => base64(Buffer.from(text, 'utf8').toString('hex')),
  'base64 in hex': (text) => Buffer.from(base64(text), 'utf8').toString('hex'),
  'rot13 in base64 in hex': (text) => Buffer.from(base64(rot13(text)), 'utf8').toString('hex'),
};

/** Each by itself. */
export const OBFUSCATIONS: Readonly<Record<string, Obfuscation>> = {
  plain: (text) => text,
  ...HIDINGS,
  ...ENCODINGS,
  ...NESTED,
};

/** What changes nothing in a run without spaces, or changes it so that it cannot be decoded any more. */
const NOT_OVER_A_RUN = new Set([
  'two spaces',
  'line breaks',
  'no-break spaces',
  'capitals in turn',
  'bidi override, reversed',
  'ANSI link',
  'leetspeak',
]);

/**
 * Two after another: each hiding in each encoding, each encoding in each other, and each hiding that can be undone letter by letter
 * over each encoding.
 */
export function compositions(): Map<string, Obfuscation> {
  const made = new Map<string, Obfuscation>();
  for (const [outer, encode] of Object.entries(ENCODINGS)) {
    for (const [inner, hide] of Object.entries({ ...HIDINGS, ...ENCODINGS })) {
      if (inner !== outer) made.set(`${inner}, then ${outer}`, (text) => encode(hide(text)));
    }
    for (const [over, hide] of Object.entries(HIDINGS)) {
      if (!NOT_OVER_A_RUN.has(over)) made.set(`${outer}, then ${over}`, (text) => hide(encode(text)));
    }
  }
  return made;
}
