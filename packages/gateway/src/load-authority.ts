import { loadCatalog } from './catalog/load.ts';
import type { Catalog, CatalogServer } from './catalog/types.ts';
import type { Config } from './config/types.ts';
import { GatewayError } from './errors.ts';
import { loadPeers, type Peers } from './load-peers.ts';
import { loadBundle } from './policy/bundle.ts';
import { createEngine } from './policy/engine.ts';
import type { Ranks } from './policy/sensitivity.ts';
import type { PolicyEngine } from './policy/types.ts';
import type { UpstreamSettings } from './upstream/types.ts';

/** Policy and catalog as read from disk, checked against their pins. */
export interface Approved {
  catalog: Catalog;
  policy: PolicyEngine;
}

/** What is approved, and what this machine holds to meet its servers with. */
export interface Serving extends Approved {
  peers: Peers;
}

/** As {@link loadApproved}, with the files of {@link loadPeers}. */
export async function loadServing(config: Config, ranks: Ranks): Promise<Serving> {
  const approved = await loadApproved(config, ranks);
  try {
    return { ...approved, peers: await loadPeers(config, approved.catalog) };
  } catch (error) {
    approved.policy.close();
    throw error;
  }
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

/** Limits and credentials of one server: what runs is said by the catalog, these by the config (contracts section 8). */
export function upstreamSettings(config: Config, server: CatalogServer, peers: Peers): UpstreamSettings {
  const own = Object.hasOwn(config.upstreams, server.id) ? config.upstreams[server.id] : undefined;
  const tls = peers.get(server.id);
  return {
    ...(tls && { tls }),
    timeoutMs: own?.timeoutMs ?? config.limits.upstreamTimeoutMs,
    maxResponseBytes: config.limits.responseBytes,
    concurrency: config.limits.upstreamConcurrency,
    env: own?.env ?? {},
    headers: own?.headers ?? {},
    sandbox: own?.sandbox ?? null,
  };
}

function requirePinned(
  code: 'POLICY_HASH_MISMATCH' | 'CATALOG_HASH_MISMATCH',
  pin: string | null,
  actual: string,
): void {
  if (pin !== null && pin !== actual) throw new GatewayError(code, `pinned ${pin}, found ${actual}`);
}
