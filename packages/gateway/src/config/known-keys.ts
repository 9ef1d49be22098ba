import { join } from 'node:path';

/**
 * Where the claim keys of this user's dev-mode gateways are remembered, one `<x> <label>` a line; null when the user has
 * no home. `variables`: the environment.
 */
export function knownKeysFile(variables: Readonly<Record<string, string>>): string | null {
  const base = variables.XDG_CONFIG_HOME || (variables.HOME ? join(variables.HOME, '.config') : null);
  return base === null ? null : join(base, 'cmcp', 'known_keys');
}
