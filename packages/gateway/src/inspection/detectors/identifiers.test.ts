import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VALUE_RULES } from './rules.ts';
import { scanValues } from './scan-values.ts';

/** For each rule: texts with what is found in brackets, and texts in which nothing of the rule's is found. */
const EXAMPLES: Readonly<Record<string, { is: readonly string[]; isNot: readonly string[] }>> = {
  'email-address': {
    is: [
      'write to [ann.lee+news@mail.example.org].',
      "<[o'brien@example.co.uk]>",
      'mailto:[a_b@sub.example.com]?subject=x',
      '[müller@bücher.example]',
      '[i@xn--bcher-kva.example]',
      '"[john doe"@example.com]',
      'x=[a@example.com],b',
    ],
    isNot: [
      'a john"@example.com',
      'icon@2x.png',
      'git@github.com:org/repo',
      'react@18.2.0',
      '@handle',
      'a@b',
      'https://svc@db.example.org/',
      'a..b@',
    ],
  },
  'us-ssn': {
    is: ['it is [536-22-8145].', 'SSN: [536228145]', 'ssn=[536 22 8145]', 'social_security_number: [536.22.8145]'],
    isNot: [
      'SSN 078051120',
      '000-12-3456',
      '666-12-3456',
      '900-12-3456',
      '536-00-8145',
      '536-22-0000',
      '078-05-1120',
      '536228145',
      '1536-22-8145',
      '536-22-81456',
      '12-536-22-8145',
    ],
  },
  'us-itin': { is: ['ITIN [912-71-3456]'], isNot: ['1-912-71-3456', '912-49-3456', '812-71-3456', '912-93-3456'] },
  'date-of-birth': {
    is: [
      'born on [12/31/1980] in Rome',
      'DOB: [1980-12-31]',
      'dateOfBirth: [31.12.1980]',
      'date of birth is [3 March 1980]',
      'birthdate: "[March 3, 1980]"',
    ],
    isNot: ['12/31/1980', 'born in a small town in 1980', 'released 2020-01-01'],
  },
  'driving-licence': {
    is: [
      "driver's license number is [D1234567]",
      'driving licence no. [MORGA753116SM9IJ]',
      'driver_license: [S530-4601-2345]',
    ],
    isNot: ['driver license 2B-ABCDE', 'driver license is required', 'driver version 1234567', 'D1234567'],
  },
  'passport-number': {
    is: ['passport number: [C01234567]', 'passport_no=[123456789]', 'Passport No. [AB123456]'],
    isNot: ['passport 2024', 'C01234567', 'passport photo 12'],
  },
  'uk-national-insurance-number': {
    is: ['NINO [AB123456C]', 'it is [AB 12 34 56 C].'],
    isNot: ['XAB 12 34 56 C', 'BG123456A', 'DA123456A', 'AB123456E', 'XAB123456C', 'ab123456c'],
  },
  'de-tax-id': {
    is: ['Steuer-ID [86095742719]', 'IdNr. [86 095 742 719]'],
    isNot: ['86095742719', 'Steuer-ID 86095742718', 'tax id 11111111111'],
  },
  'fr-social-security-number': {
    is: ['[1 85 05 78 006 084 91]', 'n° de sécurité sociale [185057800608491]', 'NIR [2550814168025 38]'],
    isNot: ['NIR 2550814168025 39', '1 85 05 78 006 084 92', '185057800608491', '1 85 15 78 006 084 91'],
  },
  'es-national-id': {
    is: ['DNI [12345678Z]', 'NIE: [X1234567L]'],
    isNot: ['X1234567L', 'DNI 12345678A', '12345678Z', 'NIE X1234567A'],
  },
  'it-tax-code': {
    is: ['CF [RSSMRA85T10A562S]'],
    isNot: ['XRSSMRA85T10A562S', 'RSSMRA85T10A562A', 'ABCDEF12G34H567I'],
  },
  'br-cpf': {
    is: ['[529.982.247-25]', 'CPF 52998224725'.replace('52998224725', '[52998224725]')],
    isNot: ['CPF 52998224726', '529.982.247-26', '52998224725', '111.111.111-11'],
  },
  'in-aadhaar': {
    is: ['Aadhaar [2341 2341 2346]', 'aadhaar_number: [234123412346]'],
    isNot: ['2341 2341 2346', 'Aadhaar 2341 2341 2347'],
  },
  'ca-social-insurance-number': {
    is: ['SIN [130 692 544]', 'social insurance number [130692544]'],
    isNot: ['130 692 544', 'SIN 130 692 545'],
  },
  'nl-citizen-service-number': { is: ['BSN [111222333]'], isNot: ['111222333', 'BSN 111222334'] },
  'pl-pesel': { is: ['PESEL [44051401359]'], isNot: ['44051401359', 'PESEL 44051401358'] },
  'se-personal-identity-number': {
    is: ['personnummer [811218-9876]', 'personal id [19811218-9876]'],
    isNot: ['811218-9876', 'personnummer 811218-9875'],
  },
  'au-tax-file-number': { is: ['TFN [123 456 782]'], isNot: ['123 456 782', 'TFN 123 456 783'] },
  'ip-address': {
    is: [
      'from [81.2.69.142]:443',
      'client=[2a02:2770::21a:4aff:feb3:2ee]',
      '[[2001:db8:0:0:1:0:0:1]]'.slice(1, -1),
      '[::ffff:81.2.69.142]',
    ],
    isNot: [
      '10.1.2.3',
      '192.168.1.1',
      '172.20.0.1',
      '127.0.0.1',
      '169.254.1.1',
      '::1',
      'fe80::1',
      'fd00::1',
      'version 1.2.3.4',
      '1.2.3.4.5',
      '256.1.1.1',
      '12:34:56',
      'std::dead',
      '00:1a:2b:3c:4d:5e',
    ],
  },
  'phone-number': {
    is: [
      'call [+41 44 668 18 00] now',
      '[+1-212-555-0147]',
      '([212) 555-0147]',
      '[212-555-0147 x12]',
      'Phone: [2125550147]',
      '[0041 44 668 18 00]',
      '[044 668 18 00]',
      'fax: [668 1800]',
      '[668 1800] office',
    ],
    isNot: [
      'x+41446681800',
      '+999 123 456 789',
      '00999 123 456 789',
      'x0041 44 668 18 00',
      'a212-555-0147',
      '044-668 18 00',
      'x044 668 18 00',
      '12 34 office',
      'x668 1800 office',
      'Buffer 01 02 03 04 05 06',
      '2125550147',
      'order 12345678',
      '+100',
      '1234567890123',
      '2024-05-06 07:08',
      'a+1234567890',
      '05.12.2023',
      'call 112',
      'id 000012345678',
    ],
  },
  'payment-card-number': {
    is: [
      '[4111111111111111]',
      'x[4111111111111111]y',
      'pay with [4111 1111 1111 1111] 123',
      '[5500-0000-0000-0004]',
      '[3782 822463 10005]',
      '[30569309025904]',
      'card 6304000000000000'.replace('6304000000000000', '[6304000000000000]'),
      'creditCard: [4222222222222]',
    ],
    isNot: [
      '4111111111111112',
      '41111111111111111',
      '6304000000000000',
      '4222222222222',
      '1234567812345670',
      '4111 1111 1111 1112',
      '1700000000000',
    ],
  },
  'card-security-code': {
    is: ['CVV: [123]', 'cvc2 is [1234]', 'security code "[987]"'],
    isNot: ['xcvv: 123', '123', 'cvv', 'CVE-2024-123', 'cid 12'],
  },
  iban: {
    is: [
      'to [GB82 WEST 1234 5698 7654 32].',
      '[DE89370400440532013000]',
      'iban:[gb82west12345698765432]',
      '[DE89370400440532013000]X',
    ],
    isNot: ['GB82WEST12345698765433', 'ZZ82WEST12345698765432', 'DE8937040044053201300'],
  },
  'aba-routing-number': {
    is: ['routing number [021000021]', 'ABA: [011401533]'],
    isNot: ['021000021', 'routing number 021000022', 'ABA 991401533'],
  },
  'uk-nhs-number': {
    is: ['NHS number [943 476 5919]', 'patient 9434765919'.replace('9434765919', '[9434765919]')],
    isNot: ['943 476 5919', 'NHS 943 476 5918'],
  },
  'us-npi': { is: ['NPI [1234567893]', 'provider_id: [1234567893]'], isNot: ['1234567893', 'NPI 1234567890'] },
  'us-medicare-beneficiary-id': {
    is: ['MBI [1EG4-TE5-MK73]', '[1EG4TE5MK73]'],
    isNot: ['X1EG4TE5MK73', 'X1EG4-TE5-MK73', '1EG4-TE5-MK7', 'SEG4TE5MK73', '1SG4TE5MK73'],
  },
  'us-dea-number': { is: ['DEA [BJ6125341]'], isNot: ['DEA XBJ6125341', 'BJ6125341', 'DEA BJ6125342'] },
  'au-medicare-number': {
    is: ['Medicare card [2428 77813 2 1]', 'Medicare [2428778132]'],
    isNot: ['2428 77813 2', 'Medicare 2428 77823 2'],
  },
  'medical-record-number': {
    is: ['MRN: [00483921]', 'medical record number [A-2931847]', 'patient_id: [P88231]'],
    isNot: ['xmrn: 12345', 'medical record', 'patient is 42', 'mrn', '00483921'],
  },
  'icd-10-code': {
    is: ['ICD-10: [E11.9]', 'diagnosis code [J45.909]', 'diagnosis: [I10]'],
    isNot: ['E11.9', 'diagnosis of A or B', 'ICD-10 codes'],
  },
};

const spans = (text: string, rule: string): string[] =>
  scanValues(text)
    .filter((finding) => finding.rule === rule)
    .map(({ start, end }) => text.slice(start, end));

/** Text, and what is found in it. Brackets around it are no part of either. */
function marked(example: string): { text: string; value: string } {
  const open = example.indexOf('[');
  const close = example.lastIndexOf(']');
  const value = example.slice(open + 1, close);
  return { text: `${example.slice(0, open)}${value}${example.slice(close + 1)}`, value };
}

describe('values of people, payment and health', () => {
  it('have an example for each rule', () => {
    const rules = VALUE_RULES.filter(({ kind, id }) => kind !== 'secret' && id !== 'bitcoin-wallet-key').map(
      ({ id }) => id,
    );
    assert.deepEqual([...new Set(rules)].sort(), Object.keys(EXAMPLES).sort());
  });

  for (const [rule, { is, isNot }] of Object.entries(EXAMPLES)) {
    it(`${rule}: the value, and nothing else, is found`, () => {
      for (const { text, value } of is.map(marked)) assert.deepEqual(spans(text, rule), [value], text);
    });
    it(`${rule}: not found where it is none`, () => {
      for (const text of isNot) assert.deepEqual(spans(text, rule), [], text);
    });
  }

  it('says of each finding its kind and the label that it gives', () => {
    const labels = new Map(
      scanValues('a@example.org 4111111111111111 NHS 9434765919').map(({ kind, label }) => [kind, label]),
    );
    assert.deepEqual(
      labels,
      new Map([
        ['personal', 'pii'],
        ['payment', 'pii'],
        ['health', 'hipaa_phi'],
      ]),
    );
  });

  it('takes the digits of a card for no telephone number', () => {
    const found = scanValues('Phone or card: 4111 1111 1111 1111').map(({ rule }) => rule);
    assert.deepEqual(found, ['payment-card-number']);
  });
});
