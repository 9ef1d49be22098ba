import { round } from '../parts/statistics.ts';

/** How many of how many, as a share with the 95 % Wilson interval: a share of few is told from the same share of many. */
export interface Share {
  count: number;
  of: number;
  /** Null: there was nothing to count. */
  share: number | null;
  low: number | null;
  high: number | null;
}

const Z = 1.959964;

export function share(count: number, of: number): Share {
  if (of === 0) return { count, of, share: null, low: null, high: null };
  const p = count / of;
  const scale = 1 + Z ** 2 / of;
  const centre = (p + Z ** 2 / (2 * of)) / scale;
  const half = (Z / scale) * Math.sqrt((p * (1 - p)) / of + Z ** 2 / (4 * of ** 2));
  return {
    count,
    of,
    share: round(p, 4),
    low: count === 0 ? 0 : round(centre - half, 4),
    high: count === of ? 1 : round(centre + half, 4),
  };
}

/** The harmonic mean of recall and precision; null where either is of nothing. */
export function f1(recall: Share, precision: Share): number | null {
  if (recall.share === null || precision.share === null) return null;
  const sum = recall.share + precision.share;
  return sum === 0 ? 0 : round((2 * recall.share * precision.share) / sum, 4);
}

/** `41/44  93.2 % (81.8 to 97.7)` */
export function told({ count, of, share: p, low, high }: Share): string {
  if (p === null || low === null || high === null) return '0/0';
  return `${count}/${of}  ${percent(p)} % (${percent(low)} to ${percent(high)})`;
}

const percent = (p: number): string => (p * 100).toFixed(1);
