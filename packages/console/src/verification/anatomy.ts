import { type GivenFile, type Place, within } from './given-file.ts';
import { at, looseJson, textAt } from './loose.ts';

/** What the picture says of one entry. Its text comes from the file, and may be anything. */
export interface EntryRow {
  type: string;
  tool: string | null;
  decision: string | null;
}

/** Something in the file that a person may look at byte by byte. */
export interface RawPart {
  name: string;
  place: Place;
}

/** The parts of a session that the picture shows, and where each is written. */
export interface Anatomy {
  platform: string | null;
  claim: RawPart;
  key: RawPart;
  evidence: RawPart[];
  checkpoints: RawPart | null;
  /** The files themselves, whole. */
  files: RawPart[];
  entries: EntryRow[];
  /** The place of entry 0 is `within(entries, 0)`. */
  entriesAt: Place;
}

/** Where claim and bundle are: in one session file, or in the reference's two files. */
export interface SessionPlaces {
  claim: Place;
  bundle: Place;
  /** The file beside the session file that holds its entries, when it is there. */
  entries: GivenFile | null;
  files: RawPart[];
}

/** Takes apart what the verifier's strict parser has accepted; what is missing is left out. */
export function anatomyOf(value: { claim: unknown; bundle: unknown; session: unknown }, where: SessionPlaces): Anatomy {
  const beside = where.entries;
  const inline = at(value.bundle, 'entries');
  return {
    platform: textAt(value.claim, 'trace', 'runtime', 'platform'),
    claim: { name: 'Claim', place: where.claim },
    key: { name: 'Key in the claim', place: within(where.claim, 'trace', 'cnf', 'jwk') },
    evidence: [...evidenceInFile(value.session, where.bundle.file), ...evidenceInClaim(value.claim, where.claim)],
    checkpoints: Array.isArray(at(value.session, 'checkpoints'))
      ? { name: 'Checkpoints', place: { file: where.bundle.file, form: 'json', path: ['checkpoints'] } }
      : null,
    files: where.files,
    entries: beside === null ? (Array.isArray(inline) ? inline.map(rowOf) : []) : linesOf(beside.bytes).map(rowOf),
    entriesAt: beside === null ? within(where.bundle, 'entries') : { file: beside.id, form: 'line', path: [] },
  };
}

function evidenceInFile(session: unknown, file: number): RawPart[] {
  const evidence = at(session, 'evidence');
  if (!Array.isArray(evidence)) return [];
  return evidence.map((part, i) => ({
    name: `${textAt(part, 'role') ?? '?'} (${textAt(part, 'media_type') ?? '?'})`,
    place: { file, form: 'base64', path: ['evidence', i, 'data'] },
  }));
}

/** The reference carries its evidence in the claim. */
function evidenceInClaim(claim: unknown, place: Place): RawPart[] {
  const evidence = at(claim, 'gateway', 'attestation_evidence');
  if (typeof evidence !== 'object' || evidence === null) return [];
  return Object.keys(evidence).map((name) => ({
    name,
    place: { ...within(place, 'gateway', 'attestation_evidence', name), form: 'base64' },
  }));
}

function rowOf(entry: unknown): EntryRow {
  return {
    type: textAt(entry, 'entry_type') ?? '?',
    tool: textAt(entry, 'tool_name'),
    decision: textAt(entry, 'policy_decision'),
  };
}

const LF = 0x0a;

function linesOf(bytes: Uint8Array): unknown[] {
  const values: unknown[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(LF, start);
    const stop = end < 0 ? bytes.length : end;
    values.push(looseJson(bytes.subarray(start, stop)));
    start = stop + 1;
  }
  return values;
}
