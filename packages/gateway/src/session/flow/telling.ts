/** What a text is made of, as far as it says how much the text tells. */
export interface Makeup {
  digits: number;
  /** Letters in words that have digits in them: ids. */
  mixed: number;
  /** Other letters. */
  letters: number;
  /** Of them, letters of scripts in which one is a syllable or a word. */
  wide: number;
  words: number;
  capitalised: number;
  /** It is an address with `@` in it. */
  address: boolean;
}

/** Bits. A value that tells less is shared by chance: flags, states, countries, years, small numbers. */
const ENOUGH = 18;

/**
 * Whether somebody who sends the value is likely to have it from where it was seen: a rough count of its bits. A digit is one of ten; a
 * letter of an id may be any; letters of words follow from each other, less so in names.
 */
export function tellsEnough({ digits, mixed, letters, wide, words, capitalised, address }: Makeup): boolean {
  const isName = words > 1 && capitalised === words;
  const plain = letters - wide;
  return digits * 3.3 + mixed * 2 + wide * 6 + plain * (isName ? 1.7 : 1) + (address ? 8 : 0) >= ENOUGH;
}

/** `20260305`: any text may name a day. */
const DAY = /^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/;

/** How many digits of a number tell something: not the zeros around it, nor those of a day. */
export function tellingDigits(digits: string): number {
  return DAY.test(digits) ? 0 : digits.replace(/^0+/, '').replace(/0+$/, '').length;
}
