import type { Structures } from '../inspection/schema/structure.ts';
import type { Ranks } from '../policy/sensitivity.ts';
import { Fields } from './fields.ts';
import { CATALOG_NAME } from './names.ts';
import type { CatalogServer, Labels } from './types.ts';

/** Of each kind. */
export const MAX_ITEMS = 10_000;
/** Each is a state machine, and each may have to be tried for a URI. */
export const MAX_TEMPLATES = 1000;
export const MAX_SERVERS = 1000;

/** Wire-formats 6.1. */
export const COMPLIANCE_DOMAINS = ['hipaa_phi', 'pci_data', 'mnpi', 'pii', 'internal', 'external', 'public'] as const;

/** Members that every record of our form has, whatever it approves. */
export const LABEL_MEMBERS: readonly string[] = [
  'name',
  'server',
  'definition',
  'sensitivity',
  'compliance_domain',
  'destination_class',
  'requires_baa',
  'approval',
];

/** What a record of our form is read against. */
export interface RecordContext {
  ranks: Ranks;
  servers: ReadonlyMap<string, CatalogServer>;
  structures: Structures;
}

/** The labels of a record of our form. */
export function readLabels(fields: Fields, { ranks, servers }: RecordContext): Labels {
  const name = fields.text('name', CATALOG_NAME);
  const server = servers.get(fields.text('server'));
  if (server === undefined) {
    throw fields.place.at('server').refuse('names no server of this catalog; add it to "servers"');
  }
  const sensitivity = readSensitivity(fields, 'sensitivity', ranks);
  const hasDomain = fields.get('compliance_domain') !== undefined;
  checkApproval(fields);
  return {
    name,
    server,
    destinationClass: fields.oneOf('destination_class', ['internal', 'external']),
    sensitivity: sensitivity.label,
    sensitivityRank: sensitivity.rank,
    complianceDomain: hasDomain ? fields.oneOf('compliance_domain', COMPLIANCE_DOMAINS) : 'external',
    requiresBaa: fields.boolean('requires_baa', false),
  };
}

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

function checkApproval(record: Fields): void {
  const value = record.get('approval');
  if (value === undefined) return;
  const fields = new Fields(value, record.place.at('approval'), ['approved_by', 'approved_at']);
  fields.text('approved_by');
  fields.text('approved_at');
}
