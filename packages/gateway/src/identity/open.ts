import type { Config } from '../config/types.ts';
import { bearerSource } from './bearer.ts';
import type { Spiffe } from './spiffe/open.ts';
import type { IdentitySource } from './types.ts';

/** Every kind of credential that the configuration lets agents show, in the order in which they are asked. */
export function openIdentity({ agents }: Pick<Config, 'agents'>, spiffe: Spiffe | null): IdentitySource[] {
  return [...(spiffe?.sources ?? []), bearerSource(agents)];
}
