import { digest } from '../crypto/sha256.ts';
import { asserted, failed, informative, notChecked, proven, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { isObject, type JsonObject, type JsonValue, member } from '../json/value.ts';
import { approvalsOf } from './approvals.ts';
import { compareArtifacts } from './artifacts.ts';
import { attestationOf } from './attestation.ts';
import type { ManifestContext } from './context.ts';
import { attachments, type CoseEnvelope, readSigners } from './cose.ts';
import { delegationOf } from './delegation.ts';
import type { ManifestDocument } from './document.ts';
import { passGates, schemaGate, validityGate, versionGate } from './gates.ts';
import { levelStage } from './level.ts';
import { attestedBytes } from './preimage.ts';
import { readManifest } from './read.ts';
import { factsOf, type Known, type ManifestFacts, type ManifestReport, manifestReport } from './report.ts';
import { revocationGate } from './revocation.ts';
import { isWhole, schemaProblem } from './schema.ts';
import { coseSignature, issuerStage, jsonSignature, type Signature } from './signature.ts';
import { type ManifestResult, resultOf, type Stage, stage } from './stage.ts';

/** What is verified: the document as its parts are read, and what came with it after signing. */
interface Subject {
  document: ManifestDocument;
  envelope: 'json' | 'cose';
  attestation: JsonValue | undefined;
  /** Whether it carries a receipt of a transparency log. */
  logged: boolean;
  /** `sha256:…` of what an attestation covers. */
  manifestHash: () => string;
}

/**
 * Verifies an Agent Manifest: JSON of version 0.1, or a COSE envelope of version 0.2 (wire-formats section 16). Total: any bytes
 * give a report. Reads no clock, no network and no key but those in `context`.
 */
export async function verifyManifest(bytes: Uint8Array, context: ManifestContext): Promise<ManifestReport> {
  const title = 'Has it the form of a manifest?';
  const manifest = attempt(() => readManifest(bytes));
  if (manifest instanceof FormatError) {
    return report('MISMATCH', [stage([required('manifest.form', title, failed(manifest.message))])]);
  }
  const form = manifest.envelope === null ? 'JSON' : 'a COSE envelope';
  const stages = [stage([required('manifest.form', title, proven(`it is ${form}`))])];
  return manifest.envelope === null
    ? verifyJson(manifest.document, context, stages)
    : verifyCose(manifest.document, manifest.envelope, context, stages);
}

/** Version 0.1: the gates come first, then the detached signature. */
async function verifyJson(object: JsonObject, context: ManifestContext, stages: Stage[]): Promise<ManifestReport> {
  const document = object as ManifestDocument;
  const subject: Subject = {
    document,
    envelope: 'json',
    attestation: document.attestation,
    logged: document.transparency_log_entry != null,
    manifestHash: () => digest(attestedBytes(document)),
  };
  const ends = await passGates(
    [
      () => schemaGate(object),
      () => versionGate(object, ['0.1', '0.2']),
      () => revocationGate(document, context),
      () => validityGate(document, context.at),
    ],
    stages,
  );
  if (ends !== null) return report(ends, stages, { facts: readableFacts(subject, context) });
  const signature = await jsonSignature(document, context.keys);
  stages.push(signature);
  return appraise(subject, signature, context, stages);
}

/** Version 0.2: the envelope is settled first, and in full; what is attached to it is read last. */
async function verifyCose(
  payload: JsonObject,
  envelope: CoseEnvelope,
  context: ManifestContext,
  stages: Stage[],
): Promise<ManifestReport> {
  const incompatible = await passGates([() => versionGate(payload, ['0.2'])], stages);
  if (incompatible !== null) return report(incompatible, stages);
  const signers = attempt(() => readSigners(envelope));
  if (signers instanceof FormatError) return report('MISMATCH', [...stages, malformed('manifest.signers', signers)]);
  const signature = await coseSignature(payload, signers, context.keys);
  stages.push(signature);
  if (resultOf([signature]) === 'MISMATCH') return report('MISMATCH', stages);
  const known = { signature_verified: signature.verified };
  const subject = attempt(() => envelopeSubject(payload, envelope));
  if (subject instanceof FormatError)
    return report('MISMATCH', [...stages, malformed('manifest.attached', subject)], known);
  const { document } = subject;
  const ends = await passGates(
    [() => schemaGate(document), () => revocationGate(document, context), () => validityGate(document, context.at)],
    stages,
  );
  if (ends !== null)
    return report(ends, stages, { ...known, facts: readableFacts(subject, context, signature.keyIds) });
  stages.push(issuerStage(document, signature.keyIds, context.keys));
  return appraise(subject, signature, context, stages);
}

/** The payload, with the approvals that were attached to its envelope. @throws FormatError */
function envelopeSubject(payload: JsonObject, envelope: CoseEnvelope): Subject {
  const misplaced = ['signature', 'attestation', 'transparency_log_entry'].find((name) => Object.hasOwn(payload, name));
  if (misplaced !== undefined) throw new FormatError(`${misplaced} belongs around the payload, not into it`);
  const { attestation, approvals, receipts } = attachments(envelope);
  const record = member(payload, 'hitl_record');
  const approved = approvals !== undefined && isObject(record);
  const document = approved ? { ...payload, hitl_record: { ...record, approvals } } : payload;
  return {
    document: document as ManifestDocument,
    envelope: 'cose',
    attestation,
    logged: receipts,
    manifestHash: () => digest(envelope.payload),
  };
}

/** What follows once the signature is settled. Nothing here ends the verification: all of it is reported. */
async function appraise(
  subject: Subject,
  signature: Signature,
  context: ManifestContext,
  stages: Stage[],
): Promise<ManifestReport> {
  const { document } = subject;
  const artifacts = compareArtifacts(document, context);
  const delegation = await delegationOf(document, context);
  const approvals = await approvalsOf(document, context);
  const attestation = attestationOf(subject.attestation, subject.manifestHash(), context.enforceAttestation === true);
  const level = levelStage(document, context.conformanceLevel ?? 0, attestation.verified);
  const all = [...stages, artifacts, delegation, approvals, attestation, level, remarks(subject)];
  return report(resultOf(all), all, {
    signature_verified: signature.verified,
    attestation_verified: attestation.verified,
    fields: artifacts.results,
    delegation: delegation.result,
    hitl: approvals.result,
    facts: readableFacts(subject, context, signature.keyIds, artifacts.catalogForm),
  });
}

/** What a reader of the report should know besides. */
function remarks({ document, logged }: Subject): Stage {
  const completeness = isWhole(document)
    ? proven('nothing that a manifest should have is missing')
    : asserted('it is abridged: rules between members, such as that it is valid for at most a year, were not applied');
  const checks = [informative('manifest.whole', 'Is nothing missing from it?', completeness)];
  if (logged) {
    const finding = notChecked('the manifest carries a receipt of a transparency log; it was not looked at');
    checks.push(informative('manifest.receipts', 'Is it in a transparency log?', finding));
  }
  return stage(checks, ...(document.profile === 'composition-only' ? (['INCOMPLETE'] as const) : []));
}

/** The facts of a document that has the form of a manifest; null for any other. */
function readableFacts(
  { document, envelope, manifestHash }: Subject,
  { challenge }: ManifestContext,
  keyIds: readonly string[] = [],
  catalogForm: ManifestFacts['catalog_form'] = null,
): ManifestFacts | null {
  if (schemaProblem(document) !== null) return null;
  return factsOf(document, { envelope, keyIds, catalogForm, manifestHash: manifestHash(), challenge });
}

function report(result: ManifestResult, stages: readonly Stage[], known: Known = {}): ManifestReport {
  const checks = stages.flatMap((each) => each.checks);
  return manifestReport(result, checks, known);
}

function malformed(id: 'manifest.signers' | 'manifest.attached', error: FormatError): Stage {
  const title = id === 'manifest.signers' ? 'Are its signers well-formed?' : 'Is what was attached to it well-formed?';
  return stage([required(id, title, failed(error.message))]);
}

function attempt<T>(read: () => T): T | FormatError {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
}
