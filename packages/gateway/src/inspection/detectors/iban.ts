import { remainder } from './check-digits.ts';

/** Length of an IBAN by country, from the registry that SWIFT keeps for ISO 13616. */
const LENGTHS =
  'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 ' +
  'FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 ' +
  'LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 ' +
  'RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30';

const BY_COUNTRY: ReadonlyMap<string, number> = new Map(
  LENGTHS.split(' ').map((one) => [one.slice(0, 2), Number(one.slice(2))]),
);

/** How much of a text, from its beginning, is an IBAN: its country's length, mod 97 (ISO 7064); spaces do not count. 0: none. */
export function ibanLength(value: string): number {
  const length = BY_COUNTRY.get(value.slice(0, 2).toUpperCase());
  if (length === undefined) return 0;
  const end = endOfCharacter(value, length);
  const iban = value.slice(0, end).replace(/[ -]/g, '').toUpperCase();
  return iban.length === length && remainder(asNumber(`${iban.slice(4)}${iban.slice(0, 4)}`), 97) === 1 ? end : 0;
}

/** Where the character of this number ends, when spaces and hyphens do not count. */
function endOfCharacter(value: string, number: number): number {
  let counted = 0;
  for (let at = 0; at < value.length; at++) {
    if (value[at] !== ' ' && value[at] !== '-') counted++;
    if (counted === number) return at + 1;
  }
  return value.length;
}

function asNumber(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55));
}
