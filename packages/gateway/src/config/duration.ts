const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a whole number with one unit (`500ms`, `30s`, `15m`, `12h`, `7d`); null for any other text. */
export function durationMs(text: string): number | null {
  const [, amount, unit] = /^(0|[1-9]\d{0,11})(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNIT_MS[unit];
  return amount === undefined || factor === undefined ? null : Number(amount) * factor;
}
