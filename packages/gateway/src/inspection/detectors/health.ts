import { luhn, weighted } from './check-digits.ts';
import type { ValueRule } from './rule.ts';

const health = (rule: Omit<ValueRule, 'kind'>): ValueRule => ({ ...rule, kind: 'health' });
const ALONE = { words: /(?:^|[^\w-])$/, reach: 1 };

/** Medicare leaves out letters that look like digits. */
const LETTER = '[AC-HJKMNP-RT-Y]';
const ANY = '[AC-HJKMNP-RT-Y0-9]';

/** Identifiers by which the health of somebody is on record. */
export const HEALTH_RULES: readonly ValueRule[] = [
  health({
    id: 'uk-nhs-number',
    what: 'NHS number with its check digit, beside a word for it',
    trigger: { digits: [3, 10] },
    pattern: /\d{3}[ -]?\d{3}[ -]?\d{4}(?![ -]?\d)/y,
    valid: isNhsNumber,
    context: /nhs|patient|health/i,
  }),
  health({
    id: 'us-npi',
    what: 'US national provider identifier with its check digit, beside a word for it',
    trigger: { digits: [10] },
    pattern: /[12]\d{9}/y,
    valid: isNpi,
    context: /npi\b|provider/i,
  }),
  health({
    id: 'us-medicare-beneficiary-id',
    what: 'US Medicare beneficiary identifier',
    trigger: { digits: [2], letters: 9 },
    pattern: new RegExp(String.raw`[1-9]${LETTER}${ANY}\d${LETTER}${ANY}\d${LETTER}{2}\d\d(?!\w)`, 'y'),
    before: ALONE,
  }),
  health({
    id: 'us-medicare-beneficiary-id',
    what: 'The same with its hyphens',
    trigger: { digits: [2], letters: 11 },
    pattern: new RegExp(String.raw`[1-9]${LETTER}${ANY}\d-${LETTER}${ANY}\d-${LETTER}{2}\d\d(?!\w)`, 'y'),
    before: ALONE,
  }),
  health({
    id: 'us-dea-number',
    what: 'Registration number of the US DEA with its check digit, beside a word for it',
    trigger: { digits: [7], letters: 2 },
    pattern: /[ABCDEFGHJKLMPRSTUX][A-Z]\d{7}(?!\w)/y,
    valid: isDeaNumber,
    context: /\bdea\b|prescri|registra/i,
    before: ALONE,
  }),
  health({
    id: 'au-medicare-number',
    what: 'Australian Medicare number with its check digit, beside a word for it',
    trigger: { digits: [4, 10, 11] },
    pattern: /[2-6]\d{3}[ -]?\d{5}[ -]?\d(?:[ /-]?\d)?(?!\d)/y,
    valid: isMedicareNumber,
    context: /medicare/i,
  }),
  health({
    id: 'medical-record-number',
    what: 'Number of a medical record or a patient, after a word for it',
    trigger: { anchors: ['mrn', 'medical', 'patient'] },
    pattern:
      /(?:mrn|medical[ _-]?record(?:[ _-]?(?:number|no\.?|num|id|#))?|patient[ _-]?(?:number|no\.?|id|identifier|#))["']?[\s:=#-]{0,4}(?:(?:number|is|was|no\.?)[\s:=#]{1,3}){0,2}["']?(?<value>[A-Z]{0,4}-?\d[\dA-Z-]{3,14})(?!\w)/diy,
    before: { words: /(?:^|[^a-z])$/i, reach: 1 },
  }),
  health({
    id: 'icd-10-code',
    what: 'Code of a diagnosis (ICD-10), after a word for it',
    trigger: { anchors: ['icd', 'diagnos'] },
    pattern:
      /(?:icd[ -]?10(?:[ -]?cm)?|diagnos[ie]s?)[ _-]?(?:codes?)?["']?[\s:=#(-]{0,4}(?:(?:is|was|code)[\s:=#]{1,3}){0,2}["']?(?<value>[A-TV-Z]\d[0-9AB](?:\.[0-9A-TV-Z]{1,4})?)(?!\w)/diy,
  }),
];

const digitsOf = (value: string): string => value.replace(/\D/g, '');

function isNhsNumber(value: string): boolean {
  const digits = digitsOf(value);
  const check = (11 - (weighted(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11)) % 11;
  return !/^(\d)\1*$/.test(digits) && check === Number(digits[9]);
}

function isNpi(digits: string): boolean {
  return luhn(`80840${digits}`);
}

function isDeaNumber(value: string): boolean {
  return weighted(value.slice(2), [1, 2, 1, 2, 1, 2]) % 10 === Number(value.at(-1));
}

function isMedicareNumber(value: string): boolean {
  const digits = digitsOf(value);
  return weighted(digits, [1, 3, 7, 9, 1, 3, 7, 9]) % 10 === Number(digits[8]);
}
