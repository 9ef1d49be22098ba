import { loadCatalog } from './catalog/load.ts';
import type { Catalog, CatalogServer } from './catalog/types.ts';
import type { Config } from './config/types.ts';
import { GatewayError } from './errors.ts';
import type { Candidate } from './policy/admission.ts';
import { loadBundle } from './policy/bundle.ts';
import { createEngine } from './policy/engine.ts';
import type { Ranks } from './policy/sensitivity.ts';
import type { PolicyEngine } from './policy/types.ts';
import type { UpstreamSettings } from './upstream/types.ts';

/** Policy and catalog as read from disk, checked against their pins. */
export interface Approved {
  catalog: Catalog;
  policy: PolicyEngine;
  /** What the engine was made from, as far as it decides whether it may be put in force. */
  bundle: Candidate;
}

/**
 * Reads and checks bundle and catalog, without any traffic. Rejects with POLICY_INVALID, CATALOG_INVALID,
 * POLICY_HASH_MISMATCH or CATALOG_HASH_MISMATCH; nothing is half loaded.
 */
export async function loadApproved(config: Config, ranks: Ranks): Promise<Approved> {
  const bundle = await loadBundle(config.policy.path);
  // With a key, the hash says where a store begins: what may come after it is the store's to say (policy-standing.ts).
  if (config.policy.key === null) requirePinned('POLICY_HASH_MISMATCH', config.policy.pin, bundle.hash);
  const catalog = await loadCatalog(config.catalog.path, ranks);
  requirePinned('CATALOG_HASH_MISMATCH', config.catalog.pin, catalog.hash);
  return { catalog, policy: createEngine(bundle, catalog), bundle };
}

/** Limits and credentials of one server: what runs is said by the catalog, these by the config (contracts section 8). */
export function upstreamSettings(config: Config, server: CatalogServer): UpstreamSettings {
  const own = Object.hasOwn(config.upstreams, server.id) ? config.upstreams[server.id] : undefined;
  return {
    timeoutMs: own?.timeoutMs ?? config.limits.upstreamTimeoutMs,
    maxResponseBytes: config.limits.responseBytes,
    concurrency: config.limits.upstreamConcurrency,
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
