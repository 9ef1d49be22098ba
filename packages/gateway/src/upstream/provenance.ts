import {
  isObject,
  type JsonObject,
  member,
  PROVENANCE_KINDS,
  type ProvenanceKind,
  type ProvenanceOutcome,
  parseProvenanceRecord,
  verifyProvenance,
} from '@cmcp/evidence';
import { readRegularFile } from '../catalog/read-file.ts';
import type { CatalogServer } from '../catalog/types.ts';
import { GatewayError } from '../errors.ts';
import { printable } from './event-log.ts';

/** Of words that a publisher wrote, so many are entered. */
const MAX_TEXT = 300;
const MAX_RECORD_BYTES = 1024 * 1024;

/** What became of the provenance record of a server (wire-formats section 15). */
export interface ProvenanceVerdict {
  outcome: ProvenanceOutcome;
  kind: ProvenanceKind | null;
  publisher: string | null;
  /** Why nothing is sent to the server; null: it may be used. */
  refusal: string | null;
}

/**
 * Holds a server to the record that the catalog names. `tools`: what it offered just now; null: its list could not be had. Anything
 * but a genuine record of this server with these tools refuses it; a floor refuses what is weaker, or nothing at all.
 */
export async function judgeProvenance(
  server: CatalogServer,
  tools: JsonObject[] | null,
  { floor, nowSeconds }: { floor: ProvenanceKind | null; nowSeconds: number },
): Promise<ProvenanceVerdict> {
  const { provenance } = server;
  const record = provenance === undefined ? null : await readRecord(provenance.recordPath);
  const keys = provenance === undefined ? [] : [{ x: provenance.publisherKey, source: 'the catalog' }];
  const { outcome: found, kind, publisher, checks } = await verifyProvenance(record, { keys, tools, now: nowSeconds });
  const another = record !== null && found !== 'invalid' && !isOf(record, server);
  const outcome = another ? 'invalid' : found;
  const failed = checks.find((check) => check.outcome === 'failed')?.detail;
  const why = another ? 'it is the record of another server' : failed;
  return { outcome, kind, publisher, refusal: refusalOf(server, outcome, kind, floor, why) };
}

function refusalOf(
  { provenance }: CatalogServer,
  outcome: ProvenanceOutcome,
  kind: ProvenanceKind | null,
  floor: ProvenanceKind | null,
  why: string | undefined,
): string | null {
  const detail = why === undefined ? '' : `: ${why}`;
  const rank = (each: ProvenanceKind): number => PROVENANCE_KINDS.indexOf(each);
  if (outcome === 'verified') {
    if (floor === null || (kind !== null && rank(kind) >= rank(floor))) return null;
    return `the provenance record is ${kind}, and ${floor} is required`;
  }
  if (provenance !== undefined && outcome !== 'unchecked') return `the provenance of the server is ${outcome}${detail}`;
  return floor === null ? null : `the provenance of the server is ${outcome}, and ${floor} is required`;
}

/** A file that is not there, or cannot be read, is no record. */
async function readRecord(path: string): Promise<Uint8Array | null> {
  try {
    return await readRegularFile(path, MAX_RECORD_BYTES, (problem) => new GatewayError('CATALOG_INVALID', problem));
  } catch (error) {
    if (error instanceof GatewayError) return null;
    throw error;
  }
}

/** Where the record names an address, it is this server's, and so is the key where the catalog pins keys. */
function isOf(record: Uint8Array, { transport }: CatalogServer): boolean {
  const { identity } = parseProvenanceRecord(record);
  const endpoint = isObject(identity) ? member(identity, 'endpoint') : undefined;
  if (!isObject(endpoint)) return true;
  if (transport.kind !== 'http' || endpoint.url !== transport.url) return false;
  const spki = transport.pins?.spki ?? [];
  return spki.length === 0 || spki.some((pinned) => pinned === endpoint.spki_sha256);
}

/** For entries. */
export function provenanceDetail(
  server: CatalogServer,
  { outcome, kind, publisher, refusal }: ProvenanceVerdict,
): JsonObject {
  return {
    server: server.id,
    outcome,
    kind: kind ?? 'none',
    publisher: printable(publisher ?? 'none').slice(0, MAX_TEXT),
    refused: printable(refusal ?? 'no').slice(0, MAX_TEXT),
  };
}
