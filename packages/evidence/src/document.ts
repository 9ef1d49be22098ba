import { Residue } from './audit/residue.ts';
import { conclude } from './conclude.ts';
import type { Expectations } from './expectations.ts';
import { failed, required } from './finding.ts';
import { FormatError } from './format-error.ts';
import { readJsonObject } from './json/document.ts';
import { isObject, type JsonValue, member } from './json/value.ts';
import { validity } from './manifest/binding.ts';
import { verifyManifest } from './manifest/verify.ts';
import type { ProvenanceKind } from './provenance/parse.ts';
import { verifyProvenance } from './provenance/verify.ts';
import type { Check, Report } from './report.ts';
import type { TrustRecordExpectations } from './trace/expectations.ts';
import { verifyTrustRecord } from './trace/verify.ts';

/** The signed documents beside session files that {@link verifyDocument} reads. */
export type DocumentKind = 'trust-record' | 'provenance-record' | 'agent-manifest';

/** What the relying party expects of a document. Its `manifest.document` is not used: the document itself is asked about. */
export interface DocumentExpectations extends TrustRecordExpectations {
  /** The tools that a server offers, as its `tools/list` gave them: those that its provenance record has to list. */
  tools?: readonly JsonValue[];
  /** The weakest kind of provenance record to accept. */
  provenanceKind?: ProvenanceKind;
}

/** CBOR tags of COSE_Sign1 (18, one byte) and COSE_Sign (98, two bytes): RFC 9052 section 2. */
const COSE_TAGS = [0xd2, 0xd8];
const LIMITS = { bytes: 1024 * 1024, depth: 66, items: 20_000 };

/** Which kind of signed document the bytes seem to be; null for anything else. Total: says nothing about whether it holds. */
export function documentKind(input: Uint8Array): DocumentKind | null {
  if (COSE_TAGS.includes(input[0] ?? 0)) return 'agent-manifest';
  try {
    const value = readJsonObject(input, 'the document', LIMITS);
    if (member(value, '@type') === 'AgentManifest') return 'agent-manifest';
    if (String(member(value, 'format') ?? '').startsWith('agentrust-io/mcp-server-provenance/'))
      return 'provenance-record';
    const traced = member(value, 'eat_profile') !== undefined && !isObject(member(value, 'trace'));
    return traced ? 'trust-record' : null;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/**
 * Verifies a signed document other than a session: a TRACE Trust Record, a provenance record of an MCP server, or an Agent Manifest.
 * Total: any input gives a report.
 */
export async function verifyDocument(input: Uint8Array, expectations: DocumentExpectations): Promise<Report> {
  const kind = documentKind(input);
  if (kind === 'trust-record') return verifyTrustRecord(input, expectations);
  if (kind === 'provenance-record') return reportOn(await provenanceChecks(input, expectations), expectations);
  if (kind === 'agent-manifest') return reportOn(await manifestChecks(input, expectations), expectations);
  const unknown = failed('it is no Trust Record, no provenance record and no Agent Manifest');
  return reportOn([required('file.format', 'Is it a document that can be verified?', unknown)], expectations);
}

async function provenanceChecks(input: Uint8Array, expectations: DocumentExpectations): Promise<Check[]> {
  const { keys = [], tools = null, provenanceKind, now, maxAgeSeconds, revocation } = expectations;
  const { checks } = await verifyProvenance(input, {
    keys,
    tools,
    ...(provenanceKind !== undefined && { kindFloor: provenanceKind }),
    ...(now !== undefined && { now }),
    ...(maxAgeSeconds !== undefined && { maxAgeSeconds }),
    ...(revocation !== undefined && { revocation }),
  });
  return checks;
}

/** Without a clock the age of a manifest cannot be judged: it is then judged at the end of time, and is expired. */
async function manifestChecks(input: Uint8Array, { manifest, now }: DocumentExpectations): Promise<Check[]> {
  const { keys = [], ...context } = manifest ?? {};
  const report = await verifyManifest(input, { ...context, keys, at: now ?? Number.MAX_SAFE_INTEGER });
  return [required('manifest.valid', 'Is the agent manifest valid?', validity(report)), ...report.checks];
}

/** No session is in such a document: what is concluded about sessions is left out. */
function reportOn(checks: Check[], expectations: Expectations): Report {
  const report = conclude(checks, { claim: null, residue: new Residue() }, expectations);
  return { ...report, residual: ['What a document says beyond its signature is the word of whoever signed it.'] };
}
