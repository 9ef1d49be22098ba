import { cardLength, isCommonCard, namedCardLength } from './card.ts';
import { weighted } from './check-digits.ts';
import { ibanLength } from './iban.ts';
import { looksRandom } from './placeholder.ts';
import { runs, type ValueRule } from './rule.ts';

const CARD_WORDS = /card|credit|debit|\b(?:cc|visa|maestro|amex|american express|diners|jcb|pan)\b/i;

const CARD: Pick<ValueRule, 'id' | 'kind'> = { id: 'payment-card-number', kind: 'payment' };

/** Payment data: what moves money for whoever has it. An IBAN is one: it names an account. */
export const PAYMENT_RULES: readonly ValueRule[] = [
  {
    ...CARD,
    what: 'Payment card: an issuer’s prefix and length, Luhn',
    trigger: { digits: runs(14, 16) },
    pattern: /\d{14,16}/y,
    valid: isCommonCard,
  },
  {
    ...CARD,
    what: 'Payment card in groups, as it is printed',
    trigger: { digits: [4] },
    pattern: /\d{4}[ .-]{1,2}(?:\d{6}[ .-]{1,2}\d{4,5}|\d{4}[ .-]{1,2}\d{4}[ .-]{1,2}\d{4}(?:[ .-]\d{3})?)(?!\d)/y,
    valid: cardLength,
  },
  {
    ...CARD,
    what: 'Payment card beside a word for one: rarer lengths, any groups',
    trigger: { digits: runs(1, 19) },
    pattern: /\d(?:[ -]?\d){11,22}(?!\d)/y,
    valid: namedCardLength,
    context: CARD_WORDS,
  },
  {
    id: 'card-security-code',
    kind: 'payment',
    what: 'Security code of a payment card, after its name',
    trigger: { anchors: ['cvv', 'cvc', 'cv2', 'cid', 'csc', 'card verification', 'card security', 'security code'] },
    pattern:
      /(?:cvv2?|cvc2?|cv2|cid|csc|card (?:verification|security) (?:code|value|number)|security code)["']?\s{0,2}(?:(?:code|number|no|is|was)\.?\s{0,2}){0,2}[:=#(]?\s{0,2}["']?(?<value>\d{3,4})(?![\d.:/-])/diy,
    before: { words: /(?:^|[^a-z0-9])$/i, reach: 1 },
  },
  {
    id: 'iban',
    kind: 'payment',
    what: 'IBAN: its country’s length, mod 97',
    trigger: { digits: runs(2, 20), letters: 2 },
    pattern: /[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,29}/y,
    valid: ibanLength,
  },
  {
    id: 'aba-routing-number',
    kind: 'payment',
    what: 'Routing number of a US bank: its ranges, checksum, a word for it',
    trigger: { digits: [9] },
    pattern: /\d{9}/y,
    valid: isRoutingNumber,
    context: /routing|\b(?:aba|rtn|transit (?:number|no))\b/i,
  },
  {
    id: 'bitcoin-wallet-key',
    kind: 'payment',
    what: 'Extended private key of a wallet (BIP 32)',
    trigger: { anchors: ['xprv', 'yprv', 'zprv'] },
    pattern: /[xyz]prv[1-9A-HJ-NP-Za-km-z]{107}/y,
    valid: looksRandom,
  },
];

function isRoutingNumber(digits: string): boolean {
  const district = Number(digits.slice(0, 2));
  const known = (district >= 1 && district <= 12) || (district >= 21 && district <= 32);
  const other = (district >= 61 && district <= 72) || district === 80;
  return (known || other) && weighted(digits, [3, 7, 1, 3, 7, 1, 3, 7, 1]) % 10 === 0;
}
