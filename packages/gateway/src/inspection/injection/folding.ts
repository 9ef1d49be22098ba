import { LOOKALIKES } from '../normal/lookalikes.ts';

/** Of every UTF-16 unit the one that it counts as where instructions are looked for: lower case, no accents, Latin for look-alikes. */
export type Folding = Uint16Array;

const DIGITS_FOR_LETTERS: readonly (readonly [written: string, letter: string])[] = [
  ['0', 'o'],
  ['2', 'z'],
  ['3', 'e'],
  ['4', 'a'],
  ['5', 's'],
  ['6', 'g'],
  ['7', 't'],
  ['8', 'b'],
  ['9', 'g'],
  ['@', 'a'],
  ['$', 's'],
];
/** `1` and `!` stand for either. */
const ONES = ['i', 'l'];

/** How texts are read: as they are, and with digits as the letters that they stand for. */
export interface Spelling {
  folding: Folding;
  /** Of every unit the number of the letter that it counts as; 0: it is none. */
  letters: Uint8Array;
  leet: boolean;
  /** Whether it makes sense only where letters were rotated. */
  rotatedOnly: boolean;
}

const PLAIN = spelling(plainFolding(), false, false);
/** Look-alikes and letters with accents as letters that were rotated before. */
const CONFUSED = spelling(withLookalikesRotated(), false, true);
/** Digits as letters; also as letters that were rotated before. */
const LEET: readonly Spelling[] = ONES.flatMap((one) => [
  spelling(
    withDigits(PLAIN.folding, one, (letter) => letter),
    true,
    false,
  ),
  spelling(withDigits(CONFUSED.folding, one, rotated), true, true),
]);
const LOOKALIKE = new RegExp(`[${[...LOOKALIKES.keys()].join('')}\\u00c0-\\u024f\\u1e00-\\u1eff]`);
/** A word that a digit is a letter of. */
const HAS_LEET = /[0-9@$!][a-zA-Z][a-zA-Z0-9@$!]|[a-zA-Z][0-9@$!][a-zA-Z0-9]/;

/** The spellings in which a text is worth reading. */
export function spellingsOf(text: string): readonly Spelling[] {
  return [PLAIN, ...(LOOKALIKE.test(text) ? [CONFUSED] : []), ...(HAS_LEET.test(text) ? LEET : [])];
}

function spelling(folding: Folding, leet: boolean, rotatedOnly: boolean): Spelling {
  const letters = Uint8Array.from(folding, (unit) => (unit >= 0x61 && unit <= 0x7a ? unit - 0x60 : 0));
  return { folding, letters, leet, rotatedOnly };
}

function plainFolding(): Folding {
  const folding = Uint16Array.from({ length: 0x10000 }, (_, unit) => unit);
  for (const [from, to] of [
    [0xc0, 0x24f],
    [0x1e00, 0x1eff],
  ] as const) {
    for (let unit = from; unit <= to; unit += 1) {
      const base = String.fromCharCode(unit).normalize('NFD').charCodeAt(0);
      if (base < 0x80) folding[unit] = base;
    }
  }
  for (const [other, letter] of LOOKALIKES) folding[other.charCodeAt(0)] = letter.charCodeAt(0);
  folding[0x2019] = 0x27;
  return folding.map((unit) => (unit >= 0x41 && unit <= 0x5a ? unit | 0x20 : unit));
}

function withLookalikesRotated(): Folding {
  const folding = Uint16Array.from(PLAIN.folding);
  for (const [unit, letter] of PLAIN.folding.entries()) {
    if (unit >= 0x80 && letter >= 0x61 && letter <= 0x7a)
      folding[unit] = rotated(String.fromCharCode(letter)).charCodeAt(0);
  }
  return folding;
}

function withDigits(base: Folding, one: string, read: (letter: string) => string): Folding {
  const folding = Uint16Array.from(base);
  for (const [written, letter] of [...DIGITS_FOR_LETTERS, ['1', one] as const, ['!', one] as const]) {
    folding[written.charCodeAt(0)] = read(letter).charCodeAt(0);
  }
  return folding;
}

/** The letter of the small alphabet that stands 13 further on. */
export function rotated(letter: string): string {
  return String.fromCharCode(((letter.charCodeAt(0) - 0x61 + 13) % 26) + 0x61);
}
