import type { Arguments } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import type { Io } from '../io.ts';

/** The configuration for what contacts no server: secrets need not be there. */
export async function configOf(given: Arguments, io: Io) {
  const { readConfigWithoutSecrets, readEnvironment } = await import('@cmcp/gateway');
  return readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
}

/** The configuration with its secrets, and the environment, for what contacts servers. */
export async function configWithSecrets(given: Arguments, io: Io) {
  const { readConfig, readEnvironment } = await import('@cmcp/gateway');
  const environment = readEnvironment(io.variables);
  return { config: await readConfig(given.one('config') ?? DEFAULT_CONFIG, environment), environment };
}
