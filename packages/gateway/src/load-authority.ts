import type { Authority } from './authority.ts';
import type { Drift } from './catalog/live.ts';
import { LiveCatalog } from './catalog/live.ts';
import { loadCatalog } from './catalog/load.ts';
import type { Catalog, CatalogServer, CatalogTool } from './catalog/types.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config/types.ts';
import { GatewayError } from './errors.ts';
import { loadBundle } from './policy/bundle.ts';
import { createEngine } from './policy/engine.ts';
import type { Ranks } from './policy/sensitivity.ts';
import type { PolicyEngine } from './policy/types.ts';
import type { Upstream, UpstreamSettings } from './upstream/types.ts';

export interface AuthorityDeps {
  config: Config;
  ranks: Ranks;
  clock: Clock;
  connect: (server: CatalogServer, settings: UpstreamSettings) => Upstream;
  onDrift: (tool: CatalogTool, drift: Drift) => void;
  /** A change notice could not be followed up: the next call compares again, or is refused. */
  onUnanswered: (serverId: string, error: unknown) => void;
}

/** Policy and catalog as read from disk, checked against their pins. */
export interface Approved {
  catalog: Catalog;
  policy: PolicyEngine;
}

/**
 * Reads and checks bundle and catalog, without any traffic. Rejects with POLICY_INVALID, CATALOG_INVALID,
 * POLICY_HASH_MISMATCH or CATALOG_HASH_MISMATCH; nothing is half loaded.
 */
export async function loadApproved(config: Config, ranks: Ranks): Promise<Approved> {
  const bundle = await loadBundle(config.policy.path);
  requirePinned('POLICY_HASH_MISMATCH', config.policy.pin, bundle.hash);
  const catalog = await loadCatalog(config.catalog.path, ranks);
  requirePinned('CATALOG_HASH_MISMATCH', config.catalog.pin, catalog.hash);
  return { catalog, policy: createEngine(bundle, catalog) };
}

/** Connects what an approved catalog names. Servers are contacted lazily and compared on first contact. */
export function connectAuthority(deps: AuthorityDeps, approved: Approved): Authority {
  const { catalog, policy } = approved;
  const upstreams = new Map(
    catalog.servers.map((server) => [server.id, deps.connect(server, settingsOf(deps, server))]),
  );
  const live = new LiveCatalog(catalog, upstreams, deps.clock, deps.onDrift);
  for (const [id, upstream] of upstreams) {
    upstream.onChanged(() => {
      live.invalidate(id).catch((error: unknown) => deps.onUnanswered(id, error));
    });
  }
  return { catalog, policy, live, upstreams };
}

function settingsOf({ config }: AuthorityDeps, server: CatalogServer): UpstreamSettings {
  const own = Object.hasOwn(config.upstreams, server.id) ? config.upstreams[server.id] : undefined;
  return {
    timeoutMs: own?.timeoutMs ?? config.limits.upstreamTimeoutMs,
    maxResponseBytes: config.limits.responseBytes,
    env: own?.env ?? {},
    headers: own?.headers ?? {},
  };
}

function requirePinned(
  code: 'POLICY_HASH_MISMATCH' | 'CATALOG_HASH_MISMATCH',
  pin: string | null,
  actual: string,
): void {
  if (pin !== null && pin !== actual) throw new GatewayError(code, `pinned ${pin}, found ${actual}`);
}
