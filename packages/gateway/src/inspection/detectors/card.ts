import { luhn } from './check-digits.ts';

/** Numbers whose prefix lies in one of the ranges, and that have one of the lengths. */
interface Issuer {
  prefixes: readonly (readonly [first: number, last: number])[];
  lengths: readonly number[];
}

/** Of which a number alone is a card's: the lengths that are issued today, under prefixes that are theirs alone. */
const COMMON: readonly Issuer[] = [
  { prefixes: [[4, 4]], lengths: [16] },
  {
    prefixes: [
      [51, 55],
      [2221, 2720],
    ],
    lengths: [16],
  },
  {
    prefixes: [
      [34, 34],
      [37, 37],
    ],
    lengths: [15],
  },
  {
    prefixes: [
      [6011, 6011],
      [644, 649],
      [65, 65],
      [622126, 622925],
    ],
    lengths: [16],
  },
  {
    prefixes: [
      [300, 305],
      [3095, 3095],
      [36, 36],
      [38, 39],
    ],
    lengths: [14],
  },
  { prefixes: [[3528, 3589]], lengths: [16] },
  {
    prefixes: [
      [62, 62],
      [2200, 2204],
    ],
    lengths: [16],
  },
];

/** All: rarer lengths too, which numbers of other things have as well. */
const ALL: readonly Issuer[] = [
  ...COMMON,
  { prefixes: [[4, 4]], lengths: [13, 19] },
  {
    prefixes: [
      [1800, 1800],
      [2131, 2131],
    ],
    lengths: [15],
  },
  {
    prefixes: [
      [300, 305],
      [3095, 3095],
      [36, 36],
      [38, 39],
      [3528, 3589],
    ],
    lengths: [16, 17, 18, 19],
  },
  {
    prefixes: [
      [6011, 6011],
      [62, 62],
      [644, 649],
      [65, 65],
      [2200, 2204],
    ],
    lengths: [17, 18, 19],
  },
  {
    prefixes: [
      [50, 50],
      [56, 69],
    ],
    lengths: [12, 13, 14, 15, 16, 17, 18, 19],
  },
  {
    prefixes: [
      [81, 82],
      [9792, 9792],
    ],
    lengths: [16],
  },
];

/** Whether the digits alone are a card's. */
export function isCommonCard(digits: string): boolean {
  return isOf(digits, COMMON);
}

/** Any number under an industry identifier of banks and travel (ISO/IEC 7812), for where a card is spoken of. */
const NAMED: readonly Issuer[] = [...ALL, { prefixes: [[3, 6]], lengths: [13, 14, 15, 16, 17, 18, 19] }];

/** How much of a text of digits in groups, from its beginning, is a card's number: whole groups, as many as may be. */
export function cardLength(value: string): number {
  return lengthOf(value, ALL);
}

/** The same where a word for a card stands beside it. */
export function namedCardLength(value: string): number {
  return lengthOf(value, NAMED);
}

function lengthOf(value: string, issuers: readonly Issuer[]): number {
  const digits = value.replace(/\D/g, '');
  for (const { end, count } of groupEnds(value)) {
    if (count <= LONGEST && isOf(digits.slice(0, count), issuers)) return end;
  }
  return 0;
}

const SHORTEST = 12;
const LONGEST = 19;

/** Where groups end, and how many digits there are up to there; the last first. */
function groupEnds(value: string): { end: number; count: number }[] {
  const ends: { end: number; count: number }[] = [];
  let count = 0;
  for (let at = 0; at < value.length && count <= LONGEST; at++) {
    if (!isDigit(value, at)) continue;
    count++;
    if (count >= SHORTEST && !isDigit(value, at + 1)) ends.unshift({ end: at + 1, count });
  }
  return ends;
}

function isDigit(value: string, at: number): boolean {
  const unit = value.charCodeAt(at);
  return unit >= 48 && unit <= 57;
}

function isOf(digits: string, issuers: readonly Issuer[]): boolean {
  return issuers.some((issuer) => issuer.lengths.includes(digits.length) && hasPrefix(digits, issuer)) && luhn(digits);
}

function hasPrefix(digits: string, { prefixes }: Issuer): boolean {
  return prefixes.some(([first, last]) => {
    const prefix = Number(digits.slice(0, String(first).length));
    return prefix >= first && prefix <= last;
  });
}
