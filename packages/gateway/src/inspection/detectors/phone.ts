import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { runs, type ValueRule } from './rule.ts';

const EXTENSION = String.raw`(?: ?(?:x|ext\.?) ?\d{1,6})?`;

const NAMES =
  'phone|mobile?|cellular|telefono|telefon|t[eé]l[eé]fono|t[eé]l[eé]phone|telefax|fax|whatsapp|sms|hotline|pager';
const SHORT_NAMES = String.raw`\b(?:tel|mob|cell|handy|desk|office|dial|text me|answering|reach (?:me|us|him|her|them)|contact(?: number| no)?)\b`;
const CALLS = String.raw`\b(?:call|calls|calling|called|ring)(?: me| us| him| her| them| back)?(?: at| on|:)`;
const MESSAGES = 'messages? (?:to|from)';

const PHONE: Pick<ValueRule, 'id' | 'kind' | 'contact' | 'yields'> = {
  id: 'phone-number',
  kind: 'personal',
  contact: true,
  yields: true,
};

/** Telephone numbers. No region is taken for granted: a national number has to look like one, or be called one. */
export const PHONE_RULES: readonly ValueRule[] = [
  {
    ...PHONE,
    what: 'Telephone number in international form, of a length that its country has',
    trigger: { anchors: ['+'] },
    pattern: new RegExp(String.raw`\+[1-9](?:[ ().\/-]{0,3}\d){6,14}(?!\d)${EXTENSION}`, 'y'),
    valid: isInternational,
    before: { words: /(?:^|[^\w+])$/, reach: 1 },
  },
  {
    ...PHONE,
    what: 'Telephone number in international form after 00, in groups',
    trigger: { digits: runs(2, 5) },
    pattern: new RegExp(String.raw`00[ .-]?[1-9](?:[ ().-]{0,2}\d){8,13}(?!\d)${EXTENSION}`, 'y'),
    valid: isInternationalAfterZeros,
    before: { words: /(?:^|[^\w.-])$/, reach: 1 },
  },
  {
    ...PHONE,
    what: 'Telephone number of North America, in its groups',
    trigger: { digits: [3] },
    pattern: new RegExp(String.raw`[2-9]\d\d(?:\) ?|[ .-])[2-9]\d\d[ .-]\d{4}(?!\d)${EXTENSION}`, 'y'),
    before: { words: /(?:^|[^\w.-]|\b1[ .-])$/, reach: 3 },
  },
  {
    ...PHONE,
    what: 'National telephone number with its leading zero, in groups',
    trigger: { digits: runs(2, 5) },
    pattern: /0[1-9]\d{0,3}(?:[ ./-]\d{2,4}){2,4}(?![ .-]?\d)/y,
    valid: isNational,
    before: { words: /(?:^|[^\w.-])$/, reach: 1 },
    unless: { words: /\d $/, reach: 2 },
  },
  {
    ...PHONE,
    what: 'Digits that are called a telephone number',
    trigger: { digits: runs(2, 12) },
    pattern: new RegExp(
      String.raw`(?!\d{4}-\d\d-\d\d|\d{1,3}(?:\.\d{1,3}){3}(?!\d)|\d\d?[/.]\d\d?[/.]\d{4})\d(?:[ ().\/-]{0,2}\d){6,12}(?!\d)${EXTENSION}`,
      'y',
    ),
    before: { words: new RegExp(`(?:${NAMES}|${SHORT_NAMES}|${CALLS}|${MESSAGES})[^\\d]{0,24}$`, 'i'), reach: 56 },
  },
  {
    ...PHONE,
    what: 'Digits in groups, with a word for a telephone after them',
    trigger: { digits: runs(2, 5) },
    pattern: /\d{2,5}(?:[ ()./-]{1,2}\d{2,5}){1,4}(?=[ -]{1,2}(?:office|fax|mobile|cell|home|work|desk)\b)/iy,
    valid: hasDigitsOfPhone,
    before: { words: /(?:^|[^\w.-])$/, reach: 1 },
  },
];

function isInternational(value: string): boolean {
  return parsePhoneNumberFromString(value.replace('(0)', ''))?.isPossible() ?? false;
}

function isInternationalAfterZeros(value: string): boolean {
  return /\d[ ().-]+\d/.test(value) && isInternational(`+${value.slice(2)}`);
}

/** Countries whose national numbers begin with a zero, the largest of each numbering. */
const ZERO_COUNTRIES: readonly CountryCode[] = [
  'GB',
  'FR',
  'DE',
  'CH',
  'AT',
  'BE',
  'NL',
  'SE',
  'FI',
  'AU',
  'NZ',
  'ZA',
  'JP',
  'IN',
  'BR',
  'TR',
  'IT',
  'IE',
  'HR',
  'RO',
];

function isNational(value: string): boolean {
  const isOneKind = new Set(value.replace(/\d/g, '')).size === 1;
  const count = value.replace(/\D/g, '').length;
  if (!isOneKind || count < 9 || count > 11) return false;
  return ZERO_COUNTRIES.some((country) => parsePhoneNumberFromString(value, country)?.isValid());
}

function hasDigitsOfPhone(value: string): boolean {
  const count = value.replace(/\D/g, '').length;
  return count >= 7 && count <= 12;
}
