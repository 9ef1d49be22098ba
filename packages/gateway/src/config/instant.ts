/** Microseconds since the epoch of an RFC 3339 time, or null. */
export function readInstant(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$/.test(text)) return null;
  const millis = Date.parse(text);
  return Number.isNaN(millis) || millis < 0 ? null : millis * 1000;
}
