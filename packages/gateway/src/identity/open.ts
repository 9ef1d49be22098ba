import type { LookupFunction } from 'node:net';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import type { Timers } from '../timers.ts';
import { bearerSource } from './bearer.ts';
import type { KnownAgents } from './known-agents.ts';
import type { ResourceMetadata } from './oauth/metadata.ts';
import { openIssuers } from './oauth/open.ts';
import { openSpiffe } from './spiffe/open.ts';
import type { IdentitySource } from './types.ts';

export interface IdentityDeps {
  clock: Clock;
  timers: Timers;
  /** Milliseconds since an arbitrary moment. */
  monotonic: () => number;
  /** Finds the addresses of an issuer's name. */
  lookup: LookupFunction;
  /** For operators. */
  report: (event: string, detail: string) => void;
}

/** What lets agents in over HTTP. */
export interface Identities {
  /** Every kind of credential that the configuration lets agents show, in the order in which they are asked. */
  sources: readonly IdentitySource[];
  /** What clients are told of how to get a token; null: there is nobody to get one from. */
  metadata: ResourceMetadata | null;
  /** Reads the files of credentials now. Rejects, and keeps what is in use, when they are no good. */
  reload(): Promise<void>;
  close(): void;
}

/**
 * @param onBundle told of the bundle of each trust domain, by its digest, and of each that takes its place; null: there is none
 * @throws GatewayError CONFIG_INVALID, TLS_INVALID
 */
export async function openIdentity(
  config: Config,
  agents: KnownAgents,
  deps: IdentityDeps,
  onBundle: (trustDomain: string, hash: string | null) => void,
): Promise<Identities> {
  const { spiffe: settings, oauth: issuers } = config.identity;
  const oauth = await openIssuers(config, deps);
  const otherIssuers = issuers.map(({ issuer }) => issuer);
  const spiffe = settings === null ? null : await openSpiffe(settings, { ...deps, otherIssuers, onBundle });
  const sources = [...(spiffe?.sources ?? []), ...(oauth === null ? [] : [oauth]), bearerSource(agents, deps.clock)];
  return {
    sources,
    metadata: oauth?.metadata ?? null,
    async reload() {
      await spiffe?.reload();
    },
    close() {
      spiffe?.close();
    },
  };
}
