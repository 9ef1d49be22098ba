export {
  type ApprovalChecks,
  approvalChecksDigest,
  type CheckFinding,
  checksProblem,
  type Override,
  openErrors,
  parseApprovalChecks,
} from './approval/checks.ts';
export { policyHash as approvalPolicyHash, type Quorum, type TrustedReviewer, wirePolicy } from './approval/quorum.ts';
export { type QuorumFile, readQuorum } from './approval/quorum-file.ts';
export {
  APPROVAL_NAMES,
  type Approval,
  type ApprovalKind,
  type ApprovalRecord,
  approvalPreimage,
  approvalRecordDigest,
  NO_PREDECESSOR,
  parseApprovalRecord,
} from './approval/record.ts';
export type { ApprovalExpectation } from './approval/session.ts';
export { type ApprovalGiven, type ApprovalResult, verifyApproval } from './approval/verify.ts';
export { bundleHash, type PolicyText } from './approved/bundle-hash.ts';
export { bundleSignaturePreimage, verifyBundleSignature } from './approved/bundle-signature.ts';
export { catalogHash } from './approved/catalog-hash.ts';
export {
  type KeySuccession,
  policyKeyId,
  readSuccession,
  successionPreimage,
  successionStatement,
  verifySuccession,
} from './approved/key-succession.ts';
export { CallGraph, type Crossing, type CrossingBasis, crossingsInClaim, EDGES_REPRESENT } from './audit/call-graph.ts';
export type { Checkpoint } from './audit/checkpoint.ts';
export type { AuditEntry, ChainMembers, EntryDraft, EntryType, PolicyDecision } from './audit/entry.ts';
export { bundleDigest, checkpointPreimage, entryHash } from './audit/hash.ts';
export type { SessionCaller } from './audit/session-callers.ts';
export type { CarryingCall, SessionFlow } from './audit/value-flows.ts';
export { decodeBase64 } from './bytes/base64.ts';
export { decodeBase64Url, encodeBase64Url, readBase64Url } from './bytes/base64url.ts';
export { equalBytes } from './bytes/equal.ts';
export { decodeHex, encodeHex } from './bytes/hex.ts';
export { ByteReader } from './bytes/reader.ts';
export { decodeUtf8, EncodingError, encodeUtf8 } from './bytes/utf8.ts';
export { agentCommitment, committedAgent } from './claim/agent.ts';
export type { GatewayClaim } from './claim/claim.ts';
export { type CatalogException, committedExceptions } from './claim/exceptions.ts';
export { claimDigest, claimPreimage } from './claim/hash.ts';
export { jwkThumbprint, keyId, keySubject } from './claim/key.ts';
export type { AgentIdentity } from './claim/wire.ts';
export { uriNames } from './crypto/alternative-names.ts';
export { buildChain, type Chain, type ChainRequest } from './crypto/chain.ts';
export { readCrl } from './crypto/crl.ts';
export { TAG, writeDer } from './crypto/der.ts';
export type { SignatureResult } from './crypto/ed25519.ts';
export { CURVE_BYTES, type PublicKey, pointOf, samePublicKey, spkiOf } from './crypto/key.ts';
export { issued, issuedItself } from './crypto/leaf.ts';
export { HASH_LENGTH, type HashName, hash } from './crypto/sha2.ts';
export { digest, type RunningSha256, type Sha256, sha256, sha256Hex } from './crypto/sha256.ts';
export { verifySigned } from './crypto/signature.ts';
export { type Certificate, parseCertificate, readCertificates } from './crypto/x509.ts';
export { type DocumentExpectations, type DocumentKind, documentKind, verifyDocument } from './document.ts';
export { type Approver, type Approvers, approversDigest, readApprovers } from './escalation/approvers.ts';
export type { ApproverExpectation } from './escalation/checks.ts';
export {
  type ApprovalVerdict,
  approvalBindingDigest,
  approvalSigningInput,
  verifyApprovalSignature,
} from './escalation/statement.ts';
export type { ActionEvidence, CallReceipt, Expectations, TrustedKey } from './expectations.ts';
export { EVIDENCE_CLASSES, type EvidenceClass } from './expectations.ts';
export { FormatError } from './format-error.ts';
export {
  type HclReport,
  parseHcl as parseHclReport,
  parseRuntimeData as parseParavisorData,
} from './hardware/azure-cvm/parse.ts';
export { type EventLog, parseEventLog } from './hardware/event-log/parse.ts';
export { replay as replayEventLog } from './hardware/event-log/replay.ts';
export { verifyEvidence } from './hardware/evidence.ts';
export type { AnchorPurpose, EvidenceFiles, EvidenceGiven, TrustAnchor } from './hardware/given.ts';
export type { EvidencePolicy } from './hardware/policy.ts';
export { readEvidencePolicy } from './hardware/policy-file.ts';
export { boundBytes } from './hardware/session/bound.ts';
export { type CollectedFiles, verifyCollected } from './hardware/session/collected.ts';
export { pcrAfter, rtmrAfter } from './hardware/session/launch.ts';
export { claimedMeasurement as snpMeasurement } from './hardware/sev-snp/appraise.ts';
export {
  type Endorsement as SnpEndorsement,
  readEndorsement as readSnpEndorsement,
} from './hardware/sev-snp/endorsement.ts';
export { parseReport as parseSnpReport, type SnpReport } from './hardware/sev-snp/parse.ts';
export {
  PRODUCTS as SNP_PRODUCTS,
  type Product as SnpProduct,
  productOf as snpProductOf,
  readTcb as readSnpTcb,
  tcbText as snpTcbText,
} from './hardware/sev-snp/product.ts';
export { claimedMeasurement as tdxMeasurement } from './hardware/tdx/appraise.ts';
export { parseQuote as parseTdxQuote, type TdxQuote } from './hardware/tdx/parse.ts';
export { readPckPlatform, SGX_EXTENSION } from './hardware/tdx/pck.ts';
export { isSoftwareTpm, type TpmDevice } from './hardware/tpm/certificate.ts';
export { type CertificateTrust, endorsementTrust } from './hardware/tpm/chain-trust.ts';
export { merkleBatch } from './hardware/tpm/merkle-path.ts';
export { nvQualifyingData } from './hardware/tpm/nv-certify.ts';
export { type GatewayComponents, gatewayDigest } from './hardware/tpm/nv-envelope.ts';
export {
  attestationKeyProblem,
  parsePublic,
  parseStoragePublic,
  type TpmPublic,
  type TpmStoragePublic,
} from './hardware/tpm/public-area.ts';
export { quoteBinding } from './hardware/tpm/quote-pair.ts';
export {
  EVIDENCE_KINDS,
  type EvidenceCheck,
  type EvidenceKind,
  type EvidenceVerdict,
  type TrustedRoot,
} from './hardware/verdict.ts';
export { canonicalJcs, canonicalSorted } from './json/canonical.ts';
export { JsonError, type JsonErrorCode } from './json/error.ts';
export { canonicalManifest } from './json/manifest-form.ts';
export { type JsonLimits, parseJson } from './json/parse.ts';
export { stringifyJson } from './json/stringify.ts';
export { isObject, JsonNumber, type JsonObject, type JsonValue, member, setMember } from './json/value.ts';
export { CMW_MEDIA_TYPE } from './live/cmw.ts';
export {
  LIVE_MEDIA_TYPE,
  type LiveDocument,
  readLiveDocument,
  writeLiveDocument,
  writeLiveRecord,
} from './live/document.ts';
export type { LiveEvidenceFiles } from './live/evidence-member.ts';
export { type LiveExpectations, readExpectations } from './live/expectations.ts';
export { isMachineEvidence, machineUserData, verifyMachineEvidence, writeMachineEvidence } from './live/machine.ts';
export type { LiveReport } from './live/report.ts';
export { attestationStatement, type LiveStatement, statementPreimage } from './live/statement.ts';
export { LIVE_MAX_AGE_SECONDS, type LiveGiven, verifyLiveAttestation } from './live/verify.ts';
export type { HitlResult } from './manifest/approvals.ts';
export type { ArtifactResult, ArtifactResults } from './manifest/artifacts.ts';
export { type BoundSession, manifestBinding } from './manifest/binding.ts';
export { type CatalogLeaf, catalogTree } from './manifest/catalog-tree.ts';
export type { AuditChainContinuity, ManifestContext, RuntimeArtifacts } from './manifest/context.ts';
export type { DelegationResult } from './manifest/delegation.ts';
export type { ArtifactName } from './manifest/document.ts';
export { type ManifestAlgorithm, type ManifestKey, manifestKey, readManifestKeys } from './manifest/keys.ts';
export { type Manifest, readManifest } from './manifest/read.ts';
export type { ManifestFacts, ManifestReport } from './manifest/report.ts';
export { type RevocationRecord, readRevocations } from './manifest/revocation.ts';
export { type ManifestScope, manifestScope } from './manifest/scope.ts';
export type { ManifestResult } from './manifest/stage.ts';
export { verifyManifest } from './manifest/verify.ts';
export { printable } from './printable.ts';
export { PROVENANCE_KINDS, type ProvenanceKind, parseProvenanceRecord } from './provenance/parse.ts';
export {
  type ProvenanceGiven,
  type ProvenanceOutcome,
  type ProvenanceResult,
  verifyProvenance,
} from './provenance/verify.ts';
export {
  type ActionDocuments,
  type ActionGiven,
  type ActionReceiptResult,
  verifyActionReceipt,
} from './receipts/action.ts';
export { type DecisionGiven, verifyDecisionReceipt } from './receipts/decision.ts';
export { type EmbodiedGiven, type EmbodiedResult, verifyEmbodiedAction } from './receipts/embodied.ts';
export {
  controllerKeyId,
  type ExternalReceipt,
  keysById as controllerKeys,
  type ReceiptStanding,
  standingOf as externalReceiptStanding,
} from './receipts/external.ts';
export { type PicGiven, verifyPicBridge } from './receipts/pic-bridge.ts';
export { type ReleasedCode, type ReleaseMeasurements, readReleaseMeasurements } from './release-measurements.ts';
export { readKeyText, readReceipt } from './relying-party.ts';
export type { Check, Outcome, Report, Verdict } from './report.ts';
export { readRevocationKey } from './revocation/key-file.ts';
export type { RevocationKey } from './revocation/signature.ts';
export {
  type RevocationGiven,
  type RevocationResult,
  type RevocationSubject,
  verifyRevocation,
} from './revocation/verify.ts';
export { givenAnchor } from './roots/given.ts';
export { TPM_MAKER_ANCHORS, VENDOR_ANCHORS } from './roots/vendor.ts';
export { type NamedReport, seriesChecks } from './series.ts';
export { combine, entriesFileName } from './session-document.ts';
export { ENTRIES_MEDIA_TYPE, type EntriesFile, SESSION_FORMAT, type SessionFile } from './session-file.ts';
export { type Description, describeFile } from './show/describe.ts';
export { type Tree, treeLines } from './show/tree.ts';
export { parseTimestamp } from './time.ts';
export type { TrustRecordExpectations } from './trace/expectations.ts';
export { verifyTrustRecord } from './trace/verify.ts';
export { verifyAnchor } from './transparency/verify.ts';
export { verify } from './verify.ts';
