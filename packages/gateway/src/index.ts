export { type Environment, readEnvironment } from './config/environment.ts';
export { knownKeysFile } from './config/known-keys.ts';
export { loadConfig, readConfig } from './config/load.ts';
export { nearest } from './config/nearest.ts';
export { CONFIG_SCHEMA } from './config/schema.ts';
export type { Config } from './config/types.ts';
export { ERRORS, type ErrorCode, GatewayError } from './errors.ts';
export { Gateway, type GatewayDeps, type StartedGateway } from './gateway.ts';
