import { luhn, mod1110, remainder, verhoeff, weighted } from './check-digits.ts';
import type { ValueRule } from './rule.ts';

const personal = (rule: Omit<ValueRule, 'kind'>): ValueRule => ({ ...rule, kind: 'personal' });
const ALONE = { words: /(?:^|[^\w-])$/, reach: 1 };

/** Numbers by which states know people, of countries whose check digits are published. */
export const NATIONAL_ID_RULES: readonly ValueRule[] = [
  personal({
    id: 'uk-national-insurance-number',
    what: 'National insurance number of the United Kingdom: prefixes that are issued',
    trigger: { digits: [2, 6], letters: 2 },
    pattern: /(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)/y,
    before: ALONE,
  }),
  personal({
    id: 'uk-national-insurance-number',
    what: 'The same in groups',
    trigger: { digits: [2], back: 3 },
    pattern: /(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d{2} \d{2} \d{2} [A-D](?!\w)/y,
    before: ALONE,
  }),
  personal({
    id: 'de-tax-id',
    what: 'German tax identification number, beside a word for it',
    trigger: { digits: [2, 11] },
    pattern: /[1-9]\d ?\d{3} ?\d{3} ?\d{3}(?!\d)/y,
    valid: isGermanTaxId,
    context: /steuer|idnr|tax ?id|\btin\b/i,
  }),
  personal({
    id: 'fr-social-security-number',
    what: 'French social security number in groups, with its key',
    trigger: { digits: [1] },
    pattern: /[12] \d\d (?:0[1-9]|1[0-2]|[2-9]\d) (?:2[AB]|\d\d) \d{3} \d{3} \d\d(?!\d)/y,
    valid: isFrenchNumber,
  }),
  personal({
    id: 'fr-social-security-number',
    what: 'The same without groups, beside a word for it',
    trigger: { digits: [6, 13, 15] },
    pattern: /[12]\d\d(?:0[1-9]|1[0-2]|[2-9]\d)(?:2[AB]|\d\d)\d{6} ?\d\d(?!\d)/y,
    valid: isFrenchNumber,
    context: /s[eé]cu(?:rit[eé])?|social|\bnir\b|insee/i,
  }),
  personal({
    id: 'es-national-id',
    what: 'Spanish DNI, beside a word for it',
    trigger: { digits: [8] },
    pattern: /\d{8}[ -]?[A-HJ-NP-TV-Z](?!\w)/iy,
    valid: isSpanishId,
    context: /dni|nif|document|identi|españ|spain|spanish/i,
  }),
  personal({
    id: 'es-national-id',
    what: 'Spanish NIE, beside a word for it',
    trigger: { digits: [7], letters: 1 },
    pattern: /[XYZ]\d{7}[ -]?[A-HJ-NP-TV-Z](?!\w)/iy,
    valid: isSpanishId,
    context: /nie|nif|document|identi|españ|spain|spanish/i,
  }),
  personal({
    id: 'it-tax-code',
    what: 'Italian tax code, with its check character',
    trigger: { digits: [2], letters: 6 },
    pattern: /[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z](?!\w)/iy,
    valid: isItalianCode,
    before: ALONE,
  }),
  personal({
    id: 'br-cpf',
    what: 'Brazilian CPF as it is written, with its check digits',
    trigger: { digits: [3] },
    pattern: /\d{3}\.\d{3}\.\d{3}-\d\d(?!\d)/y,
    valid: isCpf,
  }),
  personal({
    id: 'br-cpf',
    what: 'The same without signs, beside a word for it',
    trigger: { digits: [11] },
    pattern: /\d{11}/y,
    valid: isCpf,
    context: /\bcpf/i,
  }),
  personal({
    id: 'in-aadhaar',
    what: 'Indian Aadhaar number with its check digit, beside a word for it',
    trigger: { digits: [4, 12] },
    pattern: /[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}(?![ -]?\d)/y,
    valid: isAadhaar,
    context: /aadhaa?r|uidai|\buid\b/i,
  }),
  personal({
    id: 'ca-social-insurance-number',
    what: 'Canadian social insurance number with its check digit, beside a word for it',
    trigger: { digits: [3, 9] },
    pattern: /[1-79]\d\d[ -]?\d{3}[ -]?\d{3}(?![ -]?\d)/y,
    valid: passesLuhn,
    context: /\bsin\b|social insurance|assurance sociale|\bnas\b/i,
  }),
  personal({
    id: 'nl-citizen-service-number',
    what: 'Dutch BSN with its check digit, beside a word for it',
    trigger: { digits: [9] },
    pattern: /\d{9}/y,
    valid: isBsn,
    context: /\bbsn\b|burgerservice|sofinummer/i,
  }),
  personal({
    id: 'pl-pesel',
    what: 'Polish PESEL with its check digit, beside a word for it',
    trigger: { digits: [11] },
    pattern: /\d{11}/y,
    valid: isPesel,
    context: /pesel/i,
  }),
  personal({
    id: 'se-personal-identity-number',
    what: 'Swedish personal identity number with its check digit, beside a word for it',
    trigger: { digits: [6, 8, 10, 12] },
    pattern: /(?:19|20)?\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[-+]?\d{4}(?!\d)/y,
    valid: isSwedishNumber,
    context: /person(?:al|nummer| ?id)|identity/i,
  }),
  personal({
    id: 'au-tax-file-number',
    what: 'Australian tax file number with its check digit, beside a word for it',
    trigger: { digits: [3, 9] },
    pattern: /\d{3}[ -]?\d{3}[ -]?\d{3}(?![ -]?\d)/y,
    valid: isTaxFileNumber,
    context: /\btfn\b|tax file/i,
  }),
];

const digitsOf = (value: string): string => value.replace(/\D/g, '');

/** Of its first ten digits one stands there twice or three times, and at least one is missing. */
function isGermanTaxId(value: string): boolean {
  const digits = digitsOf(value);
  const different = new Set(digits.slice(0, 10)).size;
  return (different === 9 || different === 8) && mod1110(digits);
}

/** The key makes it a multiple of 97; Corsica's letters count as numbers of their own. */
function isFrenchNumber(value: string): boolean {
  const digits = value.replace(/ /g, '').replace('2A', '19').replace('2B', '18');
  return 97 - remainder(digits.slice(0, 13), 97) === Number(digits.slice(13));
}

function isSpanishId(value: string): boolean {
  const id = value.replace(/[ -]/g, '').toUpperCase();
  const number = id.slice(0, -1).replace('X', '0').replace('Y', '1').replace('Z', '2');
  return 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(number) % 23] === id.at(-1);
}

/** What characters in odd places count for; those in even places count for themselves. */
const ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];

function isItalianCode(value: string): boolean {
  const code = value.toUpperCase();
  let sum = 0;
  for (let index = 0; index < 15; index++) {
    const unit = code.charCodeAt(index);
    const number = unit < 65 ? unit - 48 : unit - 65;
    sum += index % 2 === 0 ? (ODD[number] as number) : number;
  }
  return sum % 26 === code.charCodeAt(15) - 65;
}

function isCpf(value: string): boolean {
  const digits = digitsOf(value);
  if (/^(\d)\1*$/.test(digits)) return false;
  return [9, 10].every((length) => {
    const weights = Array.from({ length }, (_, index) => length + 1 - index);
    return ((weighted(digits, weights) * 10) % 11) % 10 === Number(digits[length]);
  });
}

function isAadhaar(value: string): boolean {
  return verhoeff(digitsOf(value));
}

function passesLuhn(value: string): boolean {
  return luhn(digitsOf(value));
}

function isBsn(digits: string): boolean {
  return digits !== '000000000' && weighted(digits, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0;
}

function isPesel(digits: string): boolean {
  const month = Number(digits.slice(2, 4)) % 20;
  return month >= 1 && month <= 12 && weighted(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 === 0;
}

function isSwedishNumber(value: string): boolean {
  return luhn(digitsOf(value).slice(-10));
}

function isTaxFileNumber(value: string): boolean {
  return weighted(digitsOf(value), [1, 4, 3, 7, 5, 8, 6, 9, 10]) % 11 === 0;
}
