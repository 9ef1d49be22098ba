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
export { signBundle } from './authoring/policy/sign-bundle.ts';
export {
  createSigningKey,
  nameSuccessor,
  readSigningKey,
  readVerifyingKey,
  type SigningKey,
} from './authoring/policy/signing-key.ts';
export { schemaOf } from './authoring/schema-of.ts';
export { type Environment, readEnvironment } from './config/environment.ts';
export { knownKeysFile } from './config/known-keys.ts';
export { loadConfig, readConfig, readConfigWithoutSecrets, withDefaults } from './config/load.ts';
export { nearest } from './config/nearest.ts';
export type { SettingRow } from './config/readers.ts';
export { CONFIG_SCHEMA } from './config/schema.ts';
export type { Config } from './config/types.ts';
export { ERRORS, type ErrorCode, GatewayError } from './errors.ts';
export { Gateway, type GatewayDeps, type StartedGateway } from './gateway.ts';
export { readTlsFiles } from './ingress/tls-files.ts';
export { loadBundle } from './policy/bundle.ts';
export { intentOf, type PolicyIntent } from './policy/intent.ts';
export { type CheckReport, checkSetup, type SignatureState } from './setup/check.ts';
export type { ServerCheck } from './setup/check-server.ts';
export { type InitResult, type InitServer, initialise } from './setup/init.ts';
