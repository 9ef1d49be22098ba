import type { TrustedKey } from '../expectations.ts';
import { asserted, type Finding, failed, informative, notChecked, proven, provenUnless, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { jcsSignature } from '../jcs-signature.ts';
import type { JsonValue } from '../json/value.ts';
import { printable } from '../printable.ts';
import type { Check } from '../report.ts';
import { subjectOfJwk } from '../revocation/subject.ts';
import { type RevocationGiven, verifyRevocation } from '../revocation/verify.ts';
import { pinOf } from '../trust.ts';
import { PROVENANCE_KINDS, type ProvenanceKind, type ProvenanceRecord, parseProvenanceRecord } from './parse.ts';
import { toolCatalogHash } from './tool-catalog.ts';

/**
 * `verified`: the record is genuine and the server offers the tools that it lists. `catalog-mismatch`: genuine, and the server
 * offers others. `unchecked`: genuine, and what the server offers is not known. `invalid`: not genuine. `absent`: no record.
 */
export type ProvenanceOutcome = 'verified' | 'catalog-mismatch' | 'invalid' | 'unchecked' | 'absent';

/** What the relying party brings. */
export interface ProvenanceGiven {
  /** Keys of publishers that it trusts. Without one no record is genuine. */
  keys: readonly TrustedKey[];
  /** The tools that this server offered to this gateway; null when its list could not be had. */
  tools: readonly JsonValue[] | null;
  /** The weakest kind of record to accept. With one, a server without a record is not accepted. */
  kindFloor?: ProvenanceKind;
  /** Seconds since the epoch. */
  now?: number;
  maxAgeSeconds?: number;
  revocation?: Omit<RevocationGiven, 'now'>;
}

export interface ProvenanceResult {
  outcome: ProvenanceOutcome;
  /** What the record says of itself; null unless it could be read. */
  kind: ProvenanceKind | null;
  publisher: string | null;
  checks: Check[];
}

/** How far a clock may be ahead of the verifier's (wire-formats section 22). */
const FUTURE_SKEW_SECONDS = 300;

/** Verifies what a publisher says of an MCP server (wire-formats section 15). Total: never throws. */
export async function verifyProvenance(
  input: Uint8Array | string | null,
  given: ProvenanceGiven,
): Promise<ProvenanceResult> {
  if (input === null) return absent(given);
  let record: ProvenanceRecord;
  try {
    record = parseProvenanceRecord(input);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const form = required('provenance.form', 'Has it the form of a provenance record?', failed(error.message));
    return { outcome: 'invalid', kind: null, publisher: null, checks: [form] };
  }
  const genuine = await genuineness(record, given);
  const offered = given.tools === null ? null : sameTools(record, given.tools);
  const checks = [
    ...genuine,
    required('provenance.catalog', 'Does the server offer the tools that the record lists?', offered ?? unknownTools()),
    ...kindChecks(record, given),
  ];
  const { kind, publisher } = record;
  return { outcome: outcomeOf(genuine, offered), kind, publisher: printable(publisher), checks };
}

function absent({ kindFloor }: ProvenanceGiven): ProvenanceResult {
  const ask = kindFloor === undefined ? informative : required;
  const finding = notChecked('the server has no provenance record', 'a record from the publisher of the server');
  const check = ask('provenance.record', 'Does a publisher vouch for the server?', finding);
  return { outcome: 'absent', kind: null, publisher: null, checks: [check] };
}

/** A check that is not proven leaves the record without the proof that it is genuine, so it is not. */
function outcomeOf(genuine: readonly Check[], offered: Finding | null): ProvenanceOutcome {
  const open = genuine.some((check) => (check.required ? check.outcome !== 'proven' : check.outcome === 'failed'));
  if (open) return 'invalid';
  if (offered === null) return 'unchecked';
  return offered.outcome === 'proven' ? 'verified' : 'catalog-mismatch';
}

async function genuineness(record: ProvenanceRecord, given: ProvenanceGiven): Promise<Check[]> {
  const x = String(record.cnf.jwk.x);
  const asksForAge = given.now !== undefined || given.maxAgeSeconds !== undefined;
  return [
    (asksForAge ? required : informative)('provenance.issued', 'Was it issued recently?', issued(record, given)),
    required('provenance.key', 'Is the key that signed one that you trust?', trustedKey(x, given.keys)),
    ...(await revocationChecks(record, given)),
    required(
      'provenance.signature',
      'Did the key sign the record?',
      await jcsSignature(record, x, 'the record', 'the key in the record'),
    ),
  ];
}

function issued({ issued_at }: ProvenanceRecord, { now, maxAgeSeconds }: ProvenanceGiven): Finding {
  if (now === undefined) {
    return maxAgeSeconds === undefined
      ? asserted('no clock was given: the record may be of any age')
      : notChecked('a greatest age was asked for, and no clock was given');
  }
  // Written so that a clock that is not a number does not pass.
  if (!(issued_at <= now + FUTURE_SKEW_SECONDS)) return failed('the record was issued in the future', `${now} s`);
  const age = Math.max(0, now - issued_at);
  if (maxAgeSeconds !== undefined && !(age <= maxAgeSeconds))
    return failed(`the record is ${age} s old`, `at most ${maxAgeSeconds} s`);
  return proven(`the record is ${age} s old`, `${now} s`);
}

function trustedKey(x: string, keys: readonly TrustedKey[]): Finding {
  const pin = pinOf(x, keys);
  if (pin !== null) return proven('the key in the record is a trusted key', pin.source);
  if (keys.length === 0) return failed('no publisher is trusted, so no record is');
  return failed('the key in the record is not among the trusted keys', keys.map(({ source }) => source).join(', '));
}

async function revocationChecks(record: ProvenanceRecord, { revocation = {}, now }: ProvenanceGiven): Promise<Check[]> {
  const subject = subjectOfJwk(record.cnf.jwk);
  if (subject === null) return [];
  return (await verifyRevocation(subject, { ...revocation, ...(now === undefined ? {} : { now }) })).checks;
}

function sameTools({ tool_catalog }: ProvenanceRecord, tools: readonly JsonValue[]): Finding {
  const against = 'the tools that the server offered';
  if (tools.length !== tool_catalog.tool_count) {
    return failed(`the record lists ${tool_catalog.tool_count} tools, the server offers ${tools.length}`, against);
  }
  try {
    const same = toolCatalogHash(tools) === tool_catalog.hash;
    return provenUnless(same ? null : 'the server offers other tools', 'the server offers these tools', against);
  } catch (error) {
    if (error instanceof FormatError) return failed(error.message, against);
    throw error;
  }
}

function unknownTools(): Finding {
  return notChecked('the list of tools of the server could not be had');
}

function kindChecks({ kind }: ProvenanceRecord, { kindFloor }: ProvenanceGiven): Check[] {
  const checks: Check[] = [];
  if (kindFloor !== undefined) {
    checks.push(required('provenance.kind', 'Does enough stand behind the record?', kindFinding(kind, kindFloor)));
  }
  if (kind === 'tee-attested') {
    const finding = notChecked('the attestation in the record was not verified: a TEE is what the publisher says');
    checks.push(informative('provenance.attestation', 'Did a TEE attest it?', finding));
  }
  return checks;
}

function kindFinding(kind: ProvenanceKind, floor: ProvenanceKind): Finding {
  const rank = (each: ProvenanceKind): number => PROVENANCE_KINDS.indexOf(each);
  if (rank(kind) < rank(floor)) return failed(`the record is ${kind}`, floor);
  if (floor === 'tee-attested') return asserted('the record says tee-attested; its attestation was not verified');
  return proven(`the record is ${kind}`, floor);
}
