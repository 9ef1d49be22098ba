import { IP_RULES } from './ip-address.ts';
import { NATIONAL_ID_RULES } from './national-ids.ts';
import { PHONE_RULES } from './phone.ts';
import type { ValueRule } from './rule.ts';

const DOMAIN = String.raw`(?:[\p{L}\p{N}-]{1,63}\.){1,8}(?:xn--[a-z0-9-]{2,59}|[A-Za-z]{2,24}|\p{L}{2,24})`;
/** Of scripts that put spaces between words: in others nobody could say where a name begins. */
const NAME = String.raw`\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{N}`;
const ALNUM = [...'abcdefghijklmnopqrstuvwxyz0123456789'];

const MONTH =
  '(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)';
const DATE = String.raw`(?:\d{1,2}[/.-]\d{1,2}[/.-](?:\d{4}|\d\d)|\d{4}[/.-]\d{1,2}[/.-]\d{1,2}|\d{1,2}(?:st|nd|rd|th)?(?: of)? ${MONTH}\.?,? \d{4}|${MONTH}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4})`;

/** Data about a person. */
export const PERSONAL_RULES: readonly ValueRule[] = [
  {
    id: 'email-address',
    kind: 'personal',
    contact: true,
    what: 'E-mail address, also with a name in Greek or Cyrillic letters and a host in any script',
    trigger: { anchors: ['@'], lead: { chars: new RegExp(`[${NAME}._%+'-]`, 'u'), most: 64 } },
    pattern: new RegExp(`[.%+'-]{0,64}(?<value>[${NAME}_][${NAME}._%+'-]{0,63}@${DOMAIN})`, 'duy'),
    valid: isMailAddress,
    unless: { words: /:\/\/[^\s/@]*$/, reach: 128 },
  },
  {
    id: 'email-address',
    kind: 'personal',
    contact: true,
    what: 'E-mail address with a quoted name',
    trigger: { anchors: ALNUM.map((next) => `"@${next}`), lead: { chars: /[^"@\n]/, most: 64 } },
    pattern: new RegExp(String.raw`[^"@\n]{1,64}"@${DOMAIN}`, 'uy'),
    before: { words: /"$/, reach: 1 },
  },
  {
    id: 'us-ssn',
    kind: 'personal',
    what: 'US social security number: areas, groups and serials that are issued',
    trigger: { digits: [3] },
    pattern: /(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?!-?\d)/y,
    valid: isNoAdvertisedSsn,
    before: { words: /(?:^|[^\d-])$/, reach: 1 },
  },
  {
    id: 'us-ssn',
    kind: 'personal',
    what: 'The same without hyphens, beside a word for one',
    trigger: { digits: [3, 9] },
    pattern: /(?!000|666|9)\d{3}[ .]?(?!00)\d{2}[ .]?(?!0000)\d{4}(?!\d)/y,
    valid: isNoAdvertisedSsn,
    context: /ssn|social[ _-]?sec|\bss ?#/i,
  },
  {
    id: 'us-itin',
    kind: 'personal',
    what: 'US individual taxpayer number: groups that are issued',
    trigger: { digits: [3] },
    pattern: /9\d\d-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}(?!-?\d)/y,
    before: { words: /(?:^|[^\d-])$/, reach: 1 },
  },
  {
    id: 'date-of-birth',
    kind: 'personal',
    what: 'Date of birth, after a word for it',
    trigger: { anchors: ['birth', 'born', 'dob', 'd.o.b', 'geboren', 'geburtsdatum', 'naissance', 'nacimiento'] },
    pattern: new RegExp(
      String.raw`(?:(?:birth[ _-]?(?:date|day)?|born|dob|geboren|geburtsdatum|naissance|nacimiento)\b|d\.o\.b\.?)["'.?]{0,2}[\s:=,-]{0,4}(?:[A-Za-z']{1,4}[\s:]{1,2}){0,4}["']?(?<value>${DATE})(?!\d)`,
      'diy',
    ),
  },
  {
    id: 'driving-licence',
    kind: 'personal',
    what: 'Number of a driving licence, after a word for it',
    trigger: { anchors: ['driver', 'driving'] },
    pattern:
      /driv(?:er|ing)['’]?s?[ _-]?licen[cs]e[ _-]?(?:number|num|no\.?|id|#)?["']?[\s:=#-]{0,4}(?:(?:number|is|was|no\.?)[\s:=#]{1,3}){0,2}["']?(?<value>[A-Z]{0,5}[ -]?\d[\dA-Z-]{4,16})(?![\w])/diy,
    valid: hasDigits,
  },
  {
    id: 'passport-number',
    kind: 'personal',
    what: 'Number of a passport, after a word for it',
    trigger: { anchors: ['passport'] },
    pattern:
      /passport[ _-]?(?:number|num|no\.?|#)?["']?[\s:=#-]{0,4}(?:(?:number|is|was|no\.?)[\s:=#]{1,3}){0,2}["']?(?<value>[A-Z]{0,2}\d{6,9}[A-Z]?)(?![\w])/diy,
  },
  ...NATIONAL_ID_RULES,
  ...IP_RULES,
  ...PHONE_RULES,
];

/** Endings of file names that follow an `@2x` or a version, and are no top-level domains. */
const FILE_ENDINGS =
  /\.(?:png|jpe?g|gif|svg|webp|css|jsx?|tsx?|json|html?|xml|ya?ml|txt|pdf|lock|zip|tgz|gz|tar|exe|dll)$/i;

function isMailAddress(value: string): boolean {
  const [local, domain] = value.split('@') as [string, string];
  const labels = domain.split('.');
  if (local === 'git' || local.endsWith('.') || local.includes('..') || FILE_ENDINGS.test(value)) return false;
  return labels.every((label) => !label.startsWith('-') && !label.endsWith('-'));
}

/** Two numbers were printed on sample cards and are nobody's. */
function isNoAdvertisedSsn(value: string): boolean {
  return !['078051120', '219099999'].includes(value.replace(/\D/g, ''));
}

function hasDigits(value: string): boolean {
  return value.replace(/\D/g, '').length >= 5;
}
