import fc from 'fast-check';

/** Check digits as their publishers describe them, written a second time so that tests do not ask the code about itself. */
function luhnDigit(digits: string): string {
  const sum = [...digits]
    .reverse()
    .map((digit, index) => (index % 2 === 0 ? [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][Number(digit)] : Number(digit)) as number)
    .reduce((total, digit) => total + digit, 0);
  return String((10 - (sum % 10)) % 10);
}

const digits = (length: number): fc.Arbitrary<string> =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: length, maxLength: length }).map((all) => all.join(''));

/** Numbers of cards: what they begin with, and how many digits they have. */
export const CARDS: readonly (readonly [prefix: string, length: number])[] = [
  ['4', 16],
  ['51', 16],
  ['55', 16],
  ['2221', 16],
  ['2720', 16],
  ['34', 15],
  ['37', 15],
  ['6011', 16],
  ['65', 16],
  ['36', 14],
  ['3528', 16],
  ['3589', 16],
  ['62', 16],
];

export const card: fc.Arbitrary<string> = fc
  .constantFrom(...CARDS)
  .chain(([prefix, length]) => digits(length - prefix.length - 1).map((rest) => `${prefix}${rest}`))
  .map((number) => `${number}${luhnDigit(number)}`);

const COUNTRIES = [
  ['DE', 18],
  ['ES', 20],
  ['AT', 16],
  ['BE', 12],
  ['PL', 24],
  ['NO', 11],
] as const;

/** IBANs of countries whose accounts are digits alone. */
export const iban: fc.Arbitrary<string> = fc
  .constantFrom(...COUNTRIES)
  .chain(([country, length]) => digits(length).map((account) => withCheck(country, account)));

function withCheck(country: string, account: string): string {
  const letters = [...country].map((letter) => letter.charCodeAt(0) - 55).join('');
  const check = 98n - (BigInt(`${account}${letters}00`) % 97n);
  return `${country}${String(check).padStart(2, '0')}${account}`;
}

export const ssn: fc.Arbitrary<string> = fc
  .tuple(fc.integer({ min: 1, max: 899 }), fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 9999 }))
  .filter(
    ([area, group, serial]) => area !== 666 && !(area === 78 && group === 5) && !(area === 219 && serial === 9999),
  )
  .map(([area, group, serial]) =>
    [String(area).padStart(3, '0'), String(group).padStart(2, '0'), String(serial).padStart(4, '0')].join('-'),
  );

const word = fc.stringMatching(/^[a-z][a-z0-9]{1,8}$/);

export const mail: fc.Arbitrary<string> = fc
  .tuple(word, fc.constantFrom('', '.a', '+shop', '_x', '-b'), word, fc.constantFrom('example', 'co.example', 'dev'))
  .map(([user, more, host, top]) => `${user}${more}@${host}.${top}`);

/** In groups of four, as cards and accounts are printed. */
export const grouped = (value: string, sign: string): string => value.replace(/.{4}(?=.)/g, `$&${sign}`);
