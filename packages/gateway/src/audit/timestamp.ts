/**
 * Time as entries and claims write it (wire-formats section 3): ISO 8601 with `+00:00`, microseconds, and no fraction when
 * it is zero. `micros`: microseconds since the Unix epoch, 0 to 2^53−1.
 */
export function formatTimestamp(micros: number): string {
  const seconds = new Date(Math.floor(micros / 1e6) * 1000).toISOString().slice(0, 19);
  const fraction = micros % 1e6;
  return `${seconds}${fraction === 0 ? '' : `.${String(fraction).padStart(6, '0')}`}+00:00`;
}

/** The inverse of {@link formatTimestamp}; null for anything that it does not write. */
export function parseTimestamp(text: string): number | null {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{6}))?\+00:00$/.exec(text);
  if (match === null) return null;
  const micros = Date.parse(`${match[1]}Z`) * 1000 + Number(match[2] ?? 0);
  const readable = Number.isSafeInteger(micros) && micros >= 0;
  return readable && formatTimestamp(micros) === text ? micros : null;
}
