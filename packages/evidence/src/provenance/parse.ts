import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import { isObject, type JsonObject, member } from '../json/value.ts';
import { integer, nullable, object, oneOf, openObject, type Rule, text } from '../shape.ts';

/** How much stands behind a provenance record, weakest first. */
export const PROVENANCE_KINDS = ['publisher-asserted', 'observer-attested', 'tee-attested'] as const;
export type ProvenanceKind = (typeof PROVENANCE_KINDS)[number];

const FORMAT = 'agentrust-io/mcp-server-provenance/1';

/** Who published a server, and which tools it offers (wire-formats section 15). */
export interface ProvenanceRecord extends JsonObject {
  kind: ProvenanceKind;
  /** Seconds since the epoch. */
  issued_at: number;
  publisher: string;
  tool_catalog: { hash: string; tool_count: number };
  cnf: { jwk: JsonObject };
}

const SHA256 = text(/^sha256:[0-9a-f]{64}$/);
const NAME = text(/./s);
const IDENTITY = object(
  {},
  {
    artifact: object({ package: text(/^pkg:./), digest: SHA256 }),
    // A URL alone is not an identity: whoever holds the name could serve anything.
    endpoint: object({ url: NAME, spki_sha256: SHA256 }),
  },
);

/** In the order in which the format is to be checked: the first problem is the one that is named. */
const HEAD: [string, Rule][] = [
  ['format', oneOf(FORMAT)],
  ['kind', oneOf(...PROVENANCE_KINDS)],
  ['publisher', text(/^(?:did:[a-z0-9]+:.+|spiffe:\/\/[^/]+\/.+)$/)],
  ['identity', IDENTITY],
];

const RECORD = object(
  {
    ...Object.fromEntries(HEAD),
    issued_at: integer(0),
    tool_catalog: object({ hash: SHA256, tool_count: integer(0) }),
    cnf: object({ jwk: object({ kty: oneOf('OKP'), crv: oneOf('Ed25519'), x: text() }, { kid: text() }, 'allowed') }),
  },
  // Whether it is signed is a question of its own.
  { attestation: nullable(openObject()), signature: text() },
);

/** Reads a provenance record. @throws FormatError */
export function parseProvenanceRecord(input: Uint8Array | string): ProvenanceRecord {
  const value = readJsonObject(input, 'the provenance record', { bytes: 1024 * 1024, depth: 32, items: 20_000 });
  const problem = headProblem(value) ?? RECORD(value, 'record') ?? attestationProblem(value);
  if (problem !== null) throw new FormatError(problem);
  return value as ProvenanceRecord;
}

function headProblem(value: JsonObject): string | null {
  for (const [key, rule] of HEAD) {
    const found = member(value, key);
    const problem = found === undefined ? `record has no member ${key}` : rule(found, `record.${key}`);
    if (problem !== null) return problem;
  }
  const { identity } = value;
  return isObject(identity) && Object.keys(identity).length > 0 ? null : 'record.identity names nothing';
}

/** What a TEE attested has an attestation; what none attested must not look as if it had. */
function attestationProblem(value: JsonObject): string | null {
  const attested = isObject(member(value, 'attestation'));
  if (value.kind === 'tee-attested') return attested ? null : 'record.attestation is missing in a tee-attested record';
  return attested ? `record.attestation is not for a record that is ${String(value.kind)}` : null;
}
