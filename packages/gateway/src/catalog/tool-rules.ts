import type { Ranks } from '../policy/sensitivity.ts';
import type { Fields } from './fields.ts';

export const MAX_TOOLS = 10_000;
export const MAX_SERVERS = 1000;

/** Wire-formats 6.1. */
export const COMPLIANCE_DOMAINS = ['hipaa_phi', 'pci_data', 'mnpi', 'pii', 'internal', 'external', 'public'] as const;

/** A label of the vocabulary with its rank. An unknown one is refused: it must never rank as public (defect D-27). */
export function readSensitivity(fields: Fields, key: string, ranks: Ranks): { label: string; rank: number } {
  const label = fields.text(key);
  const rank = ranks.get(label);
  if (rank !== undefined) return { label, rank };
  const known = [...ranks.keys()].join(', ');
  throw fields.place
    .at(key)
    .refuse(`"${label}" is not a known sensitivity; use one of ${known}, or add it to "vocabulary" in the config`);
}
