import { existsSync } from 'node:fs';
import {
  type Condition,
  type Config,
  type Environment,
  GatewayError,
  loadConfig,
  ok,
  problem,
  readConfigWithoutSecrets,
  warning,
  withDefaults,
} from '@cmcp/gateway';
import { DEFAULT_CONFIG } from '../command.ts';

/** The configuration as far as it can be read, so that the rest can be looked at; and what is wrong with it. */
export interface Configured {
  config: Config;
  conditions: Condition[];
}

/** @param file null: `cmcp.yaml`, which may be missing */
export async function readConfigured(file: string | null, environment: Environment): Promise<Configured> {
  const about = 'configuration';
  if (file === null && !existsSync(DEFAULT_CONFIG)) {
    const found = `there is no ${DEFAULT_CONFIG} here; what follows is about the defaults`;
    const missing = warning(about, found, 'Name it with --config FILE, or make one with `cmcp init`.');
    return { config: await withDefaults('.', environment), conditions: [missing] };
  }
  const path = file ?? DEFAULT_CONFIG;
  try {
    const config = await loadConfig(path, environment);
    return { config, conditions: [ok(about, `${config.file} can be used`), devMode(config)] };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const wrong = problem(about, error.detail, 'Correct it; `cmcp check` and `cmcp help config` help.');
    const config = await asFarAsPossible(path, environment);
    return { config, conditions: [wrong, devMode(config)] };
  }
}

/** Without secrets or pins, if that is all that lacks; else the defaults. */
async function asFarAsPossible(path: string, environment: Environment): Promise<Config> {
  try {
    return await readConfigWithoutSecrets(path, environment);
  } catch (error) {
    if (error instanceof GatewayError) return withDefaults('.', environment);
    throw error;
  }
}

function devMode({ dev }: Config): Condition {
  const about = 'dev mode';
  if (!dev) return ok(about, 'off');
  return warning(
    about,
    'is on: software keys are accepted, and the process is not guarded',
    'For production, unset CMCP_DEV_MODE.',
  );
}
