import { UsageError } from './io.ts';

/**
 * Seconds since the epoch of an RFC 3339 time that `--at` named; null when it was not given.
 * @throws UsageError for any other text
 */
export function rfc3339(value: string | null): number | null {
  if (value === null) return null;
  const millis = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(value)
    ? Date.parse(value)
    : Number.NaN;
  if (Number.isNaN(millis))
    throw new UsageError('--at takes an RFC 3339 time with its zone, such as 2026-01-31T12:00:00Z');
  return Math.floor(millis / 1000);
}
