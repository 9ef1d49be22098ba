const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$/;

/** Where the fraction of the second begins. */
const FRACTION = 20;

/**
 * Microseconds since the epoch of an ISO 8601 time with an offset, as audit entries and claims write it (wire-formats
 * section 3), or null for any other text, a date that does not exist, or a year outside 1970 to 2199.
 */
export function parseTimestamp(text: string): number | null {
  if (!ISO.test(text)) return null;
  const [y, mo, d] = [digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10)];
  const [h, mi, s] = [digits(text, 11, 13), digits(text, 14, 16), digits(text, 17, 19)];
  if (y < 1970 || y > 2199 || h > 23 || mi > 59 || s > 59) return null;
  const date = new Date(Date.UTC(y, mo - 1, d));
  if (date.getUTCMonth() !== mo - 1 || date.getUTCDate() !== d) return null;
  const zone = text.endsWith('Z') ? text.length - 1 : text.length - 6;
  const seconds = date.getTime() / 1000 + (h * 60 + mi - offsetMinutes(text, zone)) * 60 + s;
  const places = Math.max(0, zone - FRACTION);
  return seconds * 1_000_000 + digits(text, FRACTION, zone) * 10 ** (6 - places);
}

function offsetMinutes(text: string, zone: number): number {
  if (text[zone] === 'Z') return 0;
  const minutes = digits(text, zone + 1, zone + 3) * 60 + digits(text, zone + 4, zone + 6);
  return text[zone] === '-' ? -minutes : minutes;
}

/** The number that the decimal digits from `from` to `to` write. A chain has a time in every entry: no texts are cut out. */
function digits(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + text.charCodeAt(i) - 0x30;
  return value;
}

/** `seconds` since the epoch for people: `2026-01-31T12:00:00Z`. For years 0 to 9999. */
export function utcText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
