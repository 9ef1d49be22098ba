/**
 * What simple patterns reach on the same rows: of the shape that the reference implementation is known to use (digits in one
 * fixed layout, no check digit, no words around them), written here for the comparison.
 */
const PATTERNS: Readonly<Record<string, RegExp>> = {
  US_SSN: /\b\d{3}-\d{2}-\d{4}\b/g,
  EMAIL_ADDRESS: /\b[\w.%+-]+@[\w.-]+\.[A-Za-z]{2,}\b/g,
  CREDIT_CARD: /\b\d{16}\b/g,
  PHONE_NUMBER: /\b\d{10}\b/g,
  IP_ADDRESS: /\b\d{1,3}(?:\.\d{1,3}){3}\b/g,
};

/** Published of the reference's own patterns, on the whole set of which a part is measured here: another set of rows. */
export const PUBLISHED: Readonly<Record<string, readonly [number, number]>> = {
  US_SSN: [16, 16],
  EMAIL_ADDRESS: [49, 49],
  CREDIT_CARD: [29, 136],
  PHONE_NUMBER: [18, 92],
  IBAN_CODE: [0, 21],
  IP_ADDRESS: [0, 14],
  US_DRIVER_LICENSE: [0, 5],
};

export interface TypedSpan {
  type: string;
  start: number;
  end: number;
}

export function referenceFindings(text: string): TypedSpan[] {
  return Object.entries(PATTERNS).flatMap(([type, pattern]) =>
    [...text.matchAll(pattern)].map((match) => ({ type, start: match.index, end: match.index + match[0].length })),
  );
}
