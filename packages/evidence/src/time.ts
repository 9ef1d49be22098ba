const ISO = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/**
 * Microseconds since the epoch of an ISO 8601 time with an offset, as audit entries and claims write it (wire-formats
 * section 3), or null for any other text, a date that does not exist, or a year outside 1970 to 2199.
 */
export function parseTimestamp(text: string): number | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction = '', sign = '+', offsetHour = '0', offsetMinute = '0'] =
    match;
  const fields = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [y, mo, d, h, mi, s] = fields;
  if (y < 1970 || y > 2199 || h > 23 || mi > 59 || s > 59) return null;
  const date = new Date(Date.UTC(y, mo - 1, d));
  if (date.getUTCMonth() !== mo - 1 || date.getUTCDate() !== d) return null;
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -1 : 1);
  const seconds = date.getTime() / 1000 + (h * 60 + mi - offset) * 60 + s;
  return seconds * 1_000_000 + Number(fraction.padEnd(6, '0'));
}

/** `seconds` since the epoch for people: `2026-01-31T12:00:00Z`. For years 0 to 9999. */
export function utcText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
