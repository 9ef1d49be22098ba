import { GatewayError } from '../errors.ts';

/** Rank of every known sensitivity label. Higher is more sensitive; 0 is public. */
export type Ranks = ReadonlyMap<string, number>;

/** Wire-formats section 5. */
const BUILT_IN: readonly (readonly [string, number])[] = [
  ['public', 0],
  ['pii', 1],
  ['confidential', 2],
  ['hipaa_phi', 3],
  ['mnpi', 3],
  ['trade_secret', 3],
];

/** The built-in labels and the configured ones. A configured label that is also built in keeps the built-in rank. */
export function sensitivityRanks(custom: Readonly<Record<string, number>> = {}): Ranks {
  return new Map([...Object.entries(custom), ...BUILT_IN]);
}

/** Rank of `label`. @throws GatewayError UNKNOWN_DATA_CLASS: an unknown label never counts as public (defect D-27). */
export function rankOf(ranks: Ranks, label: string): number {
  const rank = ranks.get(label);
  if (rank === undefined) throw new GatewayError('UNKNOWN_DATA_CLASS', 'the label is not in the vocabulary');
  return rank;
}
