import { FormatError } from '../format-error.ts';
import { isObject, type JsonObject, member } from '../json/value.ts';
import { integer, list, object, oneOf, openObject, type Rule, text } from '../shape.ts';

/** The profile of the Trust Records that are read. */
export const TRACE_PROFILE = 'tag:agentrust-io.com,2026:trace-v0.2';

/** A TRACE Trust Record, version 0.2, as far as the verifier reasons about it; it has all the members that its schema allows. */
export interface TrustRecord extends JsonObject {
  /** Seconds since the epoch. */
  iat: number;
  subject: string;
  runtime: JsonObject & { platform: string; measurement: string; nonce?: string };
  policy: JsonObject & { bundle_hash: string; enforcement_mode: string };
  build_provenance: JsonObject & { slsa_level: number };
  appraisal: JsonObject & { status: string; verifier: string };
  cnf: { jwk: JsonObject & { kty: string } };
  signature: string;
}

const DIGEST = text(/^sha(256:[0-9a-f]{64}|384:[0-9a-f]{96})$/);
const NAME = text(/./s);
const TIME = integer(1_700_000_000);
const DEPTH = oneOf('surface', 'builder', 'transitive');

const RUNTIME = object(
  {
    platform: oneOf(
      'intel-tdx',
      'amd-sev-snp',
      'azure-cvm-sev-snp',
      'nvidia-h100',
      'nvidia-blackwell',
      'aws-nitro',
      'arm-cca',
      'google-confidential-space',
      'tpm2',
      'software-only',
    ),
    measurement: DIGEST,
  },
  { rim_uri: text(), nonce: text(), firmware_version: text() },
);

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];
const KEY_MEMBERS = new Map([
  ['OKP', object({ crv: text(), x: text() }, { kid: text() }, 'allowed')],
  ['EC', object({ crv: text(), x: text(), y: text() }, { kid: text() }, 'allowed')],
]);

/** A JWK without its private half: whoever publishes that has no key any more. */
const publicJwk: Rule = (value, path) => {
  const problem = object({ kty: NAME }, {}, 'allowed')(value, path);
  if (problem !== null || !isObject(value)) return problem;
  const secret = PRIVATE_MEMBERS.find((name) => Object.hasOwn(value, name));
  if (secret !== undefined) return `${path} holds the private key member ${secret}`;
  return KEY_MEMBERS.get(String(value.kty))?.(value, path) ?? null;
};

const NEEDED: Record<string, Rule> = {
  eat_profile: oneOf(TRACE_PROFILE),
  iat: TIME,
  subject: text(/^(?:spiffe:\/\/[^/]+\/.+|did:[a-z0-9]+:.+)$/),
  model: object({ provider: text(), model_id: text() }, { version: text(), weights_digest: DIGEST, aibom_uri: text() }),
  runtime: RUNTIME,
  policy: object(
    { bundle_hash: DIGEST, enforcement_mode: oneOf('enforce', 'advisory', 'silent', 'declared') },
    { version: text(), policy_uri: text() },
  ),
  data_class: text(),
  build_provenance: object(
    { slsa_level: integer(0, 3), digest: DIGEST },
    { builder: text(), provenance_uri: text(), provenance_depth: DEPTH },
  ),
  appraisal: object(
    { status: oneOf('affirming', 'warning', 'contraindicated', 'none'), verifier: NAME },
    { policy_ref: text(), timestamp: integer(0), provenance_depth_verified: DEPTH },
  ),
  cnf: object({ jwk: publicJwk }),
  signature: text(/^[A-Za-z0-9_-]+$/),
};

const OPTIONAL: Record<string, Rule> = {
  tool_transcript: object({ hash: DIGEST }, { call_count: integer(0), transcript_uri: text() }),
  delegation: object({ parent_record_hash: DIGEST, credential_id: NAME }),
  origin: object(
    { kind: oneOf('self', 'third-party-control-plane', 'log-import'), producer: NAME },
    { source_event_id: NAME, ingested_at: TIME },
  ),
  transparency: text(/^https:\/\/[^\s/]+/),
};

const RECORD = object(NEEDED, OPTIONAL);
/** `references` is in the text of the specification and not in its schema (defect C-11). */
const RECORD_WITH_REFERENCES = object(NEEDED, { ...OPTIONAL, references: list(openObject()) });

/**
 * Reads a Trust Record (wire-formats section 9): closed but for the JWK, with its signature, and with no hardware platform when
 * somebody else than the runtime assembled it.
 *
 * @param options `references`: whether a member of that name is accepted
 * @throws FormatError
 */
export function parseTrustRecord(value: JsonObject, options: { references: boolean }): TrustRecord {
  const problem = (options.references ? RECORD_WITH_REFERENCES : RECORD)(value, 'record') ?? originProblem(value);
  if (problem !== null) throw new FormatError(problem);
  return value as TrustRecord;
}

function originProblem(record: JsonObject): string | null {
  const origin = member(record, 'origin');
  const { platform } = record.runtime as TrustRecord['runtime'];
  if (!isObject(origin) || origin.kind === 'self' || platform === 'software-only') return null;
  return `record.origin.kind is ${String(origin.kind)}: such a record has no hardware platform`;
}
