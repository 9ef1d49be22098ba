import { loadCatalog } from './catalog/load.ts';
import type { Catalog, CatalogServer } from './catalog/types.ts';
import type { Config } from './config/types.ts';
import { GatewayError } from './errors.ts';
import { type Candidate, requireHash } from './policy/admission.ts';
import { type Bundle, loadBundle } from './policy/bundle.ts';
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
  const bundle = await loadPolicy(config);
  const catalog = await loadCatalog(config.catalog.path, ranks);
  const { pin } = config.catalog;
  if (pin !== null && pin !== catalog.hash)
    throw new GatewayError('CATALOG_HASH_MISMATCH', `pinned ${pin}, found ${catalog.hash}`);
  return { catalog, policy: createEngine(bundle, catalog), bundle };
}

/**
 * Reads the policy bundle and checks what can be checked without a store; what a pinned key asks for besides, its standing decides
 * (policy-standing.ts).
 */
export async function loadPolicy({ policy }: Config): Promise<Bundle> {
  const bundle = await loadBundle(policy.path);
  if (policy.key === null) requireHash(policy.pin, bundle.hash);
  return bundle;
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
