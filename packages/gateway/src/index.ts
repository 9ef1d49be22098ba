export { choosePlatform, detectAll } from './attestation/choose.ts';
export { machineEvidence } from './attestation/machine-evidence.ts';
export {
  type CodeMeasurement,
  type CodeParts,
  type Launch,
  measureCode,
  PLAIN_LAUNCH,
} from './attestation/measurement/code.ts';
export { measureConfigured } from './attestation/measurement/configured.ts';
export type { GatewayMeasurement } from './attestation/measurement/gateway-measurement.ts';
export { installedCode, ownCode, runningNode } from './attestation/measurement/program.ts';
export type { Condition } from './attestation/process-guards/condition.ts';
export { systemPlatforms } from './attestation/system-platforms.ts';
export type { EvidenceProvider } from './attestation/types.ts';
export { type Environment, readEnvironment } from './config/environment.ts';
export { knownKeysFile } from './config/known-keys.ts';
export { loadConfig, readConfig, readConfigWithoutSecrets } from './config/load.ts';
export { nearest } from './config/nearest.ts';
export type { SettingRow } from './config/readers.ts';
export { CONFIG_SCHEMA } from './config/schema.ts';
export type { Config } from './config/types.ts';
export { ERRORS, type ErrorCode, GatewayError } from './errors.ts';
export { Gateway, type GatewayDeps, type StartedGateway } from './gateway.ts';
export { loadBundle } from './policy/bundle.ts';
export { intentOf, type PolicyIntent } from './policy/intent.ts';
export { type CheckReport, checkSetup, type ServerCheck } from './setup/check.ts';
export { type InitResult, initialise } from './setup/init.ts';
