import type { Found } from './scan-values.ts';

/** What was found, without what yields to something that it overlaps: a card's digits are no telephone number. */
export function withoutYielding(found: readonly Found[]): readonly Found[] {
  const strong = found.filter(({ rule }) => !rule.yields);
  if (strong.length === found.length || strong.length === 0) return found;
  strong.sort((one, other) => one.start - other.start);
  const farthest: number[] = [];
  for (const { end } of strong) farthest.push(Math.max(end, farthest.at(-1) ?? 0));
  return found.filter(({ rule, start, end }) => !rule.yields || (farthest[firstFrom(strong, end) - 1] ?? 0) <= start);
}

/** Index of the first that starts at `offset` or later; they are in order. */
function firstFrom(found: readonly Found[], offset: number): number {
  let low = 0;
  let high = found.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((found[middle] as Found).start < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
