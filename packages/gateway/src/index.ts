export { choosePlatform, detectAll } from './attestation/choose.ts';
export { machineEvidence } from './attestation/machine-evidence.ts';
export {
  type CodeMeasurement,
  measureCode,
  PLAIN_LAUNCH,
} from './attestation/measurement/code.ts';
export { measureConfigured } from './attestation/measurement/configured.ts';
export type { GatewayMeasurement } from './attestation/measurement/gateway-measurement.ts';
export { installedCode, ownCode, runningNode } from './attestation/measurement/program.ts';
export { openPlatform, type Platform } from './attestation/platform.ts';
export { type Condition, ok, problem, warning } from './attestation/process-guards/condition.ts';
export { processConditions } from './attestation/process-guards/guard.ts';
export { ownProcess, type ProcessFacts } from './attestation/process-guards/process-facts.ts';
export { systemPlatforms } from './attestation/system-platforms.ts';
export type { Detection, EvidenceProvider } from './attestation/types.ts';
export type { Approving } from './authoring/approval/approve.ts';
export { newReviewerKey, readReviewerKey } from './authoring/approval/reviewer-key.ts';
export { type SignedOff, signOff } from './authoring/approval/sign-off.ts';
export { type Adopted, adoptCatalog } from './authoring/catalog/adopt.ts';
export { proposalFile, readCatalogText, readProposal } from './authoring/catalog/catalog-files.ts';
export { type CatalogDiff, diffCatalogs, type ItemChange } from './authoring/catalog/diff/diff.ts';
export type { Part } from './authoring/catalog/diff/leaves.ts';
export { lintCatalog, lintCatalogFile } from './authoring/catalog/lint/lint.ts';
export { pinnedSpawn } from './authoring/catalog/pin.ts';
export {
  diffLive,
  type NewServer,
  type Proposal,
  proposeRefresh,
  proposeServer,
} from './authoring/catalog/propose/propose.ts';
export { type Review, reviewCatalog } from './authoring/catalog/review.ts';
export type { Finding } from './authoring/finding.ts';
export { listInspectionRules, type RuleList } from './authoring/inspection/rule-list.ts';
export { type Tried, type TriedFinding, tryInspection } from './authoring/inspection/try.ts';
export { type ApprovedBundle, approveBundle } from './authoring/policy/approve-bundle.ts';
export { checkInvariants, type InvariantReport } from './authoring/policy/check-invariants.ts';
export { type BundleComparison, compareBundles } from './authoring/policy/compare-bundles.ts';
export type { Explanation } from './authoring/policy/explain/explain.ts';
export { type EntryExplanation, explainEntry } from './authoring/policy/explain/explain-entry.ts';
export { explainRequest, explainScenario } from './authoring/policy/explain/open.ts';
export { lintPolicy } from './authoring/policy/lint/lint.ts';
export { type Migration, migratePolicy } from './authoring/policy/migrate/migrate.ts';
export { createRecordingKey } from './authoring/policy/recording-key.ts';
export type { Change, Verdict } from './authoring/policy/replay.ts';
export { type ReplayReport, replayFiles } from './authoring/policy/replay-files.ts';
export { signBundle } from './authoring/policy/sign-bundle.ts';
export {
  createSigningKey,
  nameSuccessor,
  readSigningKey,
  readVerifyingKey,
  type SigningKey,
} from './authoring/policy/signing-key.ts';
export { type PolicyTestReport, type TestReport, testPolicy } from './authoring/policy/test-policy.ts';
export { reportJson } from './authoring/report-json.ts';
export { schemaOf } from './authoring/schema-of.ts';
export { durationMs } from './config/duration.ts';
export { type Environment, readEnvironment } from './config/environment.ts';
export { knownKeysFile } from './config/known-keys.ts';
export { loadConfig, namesCallers, readConfig, readConfigWithoutSecrets, withDefaults } from './config/load.ts';
export { nearest } from './config/nearest.ts';
export type { SettingRow } from './config/readers.ts';
export { CONFIG_SCHEMA } from './config/schema.ts';
export type { Config } from './config/types.ts';
export { ERRORS, type ErrorCode, GatewayError } from './errors.ts';
export { legible } from './escalation/shown.ts';
export { Gateway, type GatewayDeps, type StartedGateway } from './gateway.ts';
export { readTlsFiles } from './ingress/tls-files.ts';
export { operatorOpenApi } from './operator/routes.ts';
export { loadBundle } from './policy/bundle.ts';
export { intentOf, type PolicyIntent } from './policy/intent.ts';
export { sensitivityRanks } from './policy/sensitivity.ts';
export { type CheckReport, checkSetup, type SignatureState } from './setup/check.ts';
export type { ServerCheck } from './setup/check-server.ts';
export { type InitResult, type InitServer, initialise } from './setup/init.ts';
export { writeNew } from './setup/init-files.ts';
export { prettyJson } from './setup/pretty-json.ts';
