import { encodeUtf8 } from '../bytes/utf8.ts';
import { hash } from '../crypto/sha2.ts';
import { type Finding, failed, informative, notChecked, proven, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import { type JsonObject, member } from '../json/value.ts';
import type { Check } from '../report.ts';
import { object, oneOf } from '../shape.ts';
import {
  EVIDENCE_MEMBER,
  type EvidenceMember,
  evidenceMember,
  type LiveEvidenceFiles,
  readEvidenceMember,
} from './evidence-member.ts';
import type { LiveExpectations } from './expectations.ts';
import { type LiveReport, liveReport } from './report.ts';
import { liveStanding } from './standing.ts';

const FORMAT = 'cmcp-machine-evidence/1';
const LABEL = encodeUtf8('cmcp-machine-v1');
const LIMITS = { bytes: 4 * 1024 * 1024, depth: 4, items: 200 };
const FORM = object({ format: oneOf(FORMAT), evidence: EVIDENCE_MEMBER });

const RESIDUAL = ['It speaks of the machine at the moment of the answer, and of no gateway on it.'];

/** What {@link FORM} promises. */
interface Checked extends JsonObject {
  evidence: EvidenceMember;
}

/**
 * The 64 bytes that evidence about a machine carries for a challenge. Hashed under a label: whoever sends the challenge cannot have
 * the machine vouch for bytes of theirs, such as the statement of a gateway.
 */
export function machineUserData(nonce: Uint8Array): Uint8Array<ArrayBuffer> {
  return hash('sha512', Uint8Array.of(...LABEL, ...nonce));
}

/** Evidence about a machine, without any gateway, as JSON. */
export function writeMachineEvidence(evidence: LiveEvidenceFiles): string {
  return JSON.stringify({ format: FORMAT, evidence: evidenceMember(evidence) });
}

/** Whether a file says that it is evidence about a machine. Total: says nothing about whether it holds. */
export function isMachineEvidence(input: Uint8Array | string): boolean {
  try {
    return member(readJsonObject(input, 'the file', LIMITS), 'format') === FORMAT;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

/**
 * Verifies evidence about a machine for a challenge. It speaks of no gateway: policy, catalog and code are not in it, and of
 * the expectations only those about hardware are held against it; others are reported as not checked. Total: any input gives a report.
 *
 * @param nonce the challenge, as it was sent
 * @param now the verifier's clock, seconds since the epoch
 */
export async function verifyMachineEvidence(
  input: Uint8Array | string,
  { nonce, now }: { nonce: Uint8Array; now: number },
  expectations: LiveExpectations,
): Promise<LiveReport> {
  const form = (finding: Finding): Check =>
    required('live.form', 'Has it the form of evidence about a machine?', finding);
  const subject = { statement: null, software: false, residual: RESIDUAL };
  try {
    const { checks } = await liveStanding(read(input), machineUserData(nonce), expectations, now, null);
    return liveReport([form(proven('it has')), ...checks.map(ofMachine), ...idle(expectations)], expectations, subject);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return liveReport([form(failed(error.message))], expectations, subject);
  }
}

/** @throws FormatError */
function read(input: Uint8Array | string): LiveEvidenceFiles {
  const value = readJsonObject(input, 'the file', LIMITS);
  const problem = FORM(value, 'file');
  if (problem !== null) throw new FormatError(problem);
  return readEvidenceMember((value as Checked).evidence, 'file.evidence');
}

/** Expectations of a gateway: none of them ever looks met because a machine has no answer to it. */
function idle({ policyHash, catalogHash, gatewayMeasurement, keys = [] }: LiveExpectations): Check[] {
  const given = { policy_hash: policyHash, catalog_hash: catalogHash, gateway_measurement: gatewayMeasurement };
  const names = Object.entries({ ...given, keys: keys[0] }).flatMap(([name, value]) =>
    value === undefined ? [] : [name],
  );
  if (names.length === 0) return [];
  const finding = notChecked(
    `evidence about a machine says nothing of ${names.join(', ')}`,
    `leave out ${names.join(', ')}`,
  );
  return [required('live.idle', 'Was everything that you expect held against it?', finding)];
}

/** Which program runs is not asked of a machine. */
function ofMachine(check: Check): Check {
  if (check.id !== 'gateway.code') return check;
  const { id, title, outcome, detail, against } = check;
  return informative(id, title, { outcome, detail, against, remedy: null });
}
