import { loadManifests } from './agent-manifest/load.ts';
import type { AgentManifests } from './agent-manifest/manifests.ts';
import { type Approvals, requireApproval } from './approval/require.ts';
import { loadCatalog } from './catalog/load.ts';
import type { Catalog, CatalogServer } from './catalog/types.ts';
import type { Config } from './config/types.ts';
import { GatewayError } from './errors.ts';
import { type LoadedRules, loadRules } from './inspection/rules/load.ts';
import { loadPeers, type Peers } from './load-peers.ts';
import { type Bundle, loadBundle } from './policy/bundle.ts';
import { createEngine } from './policy/engine.ts';
import type { Ranks } from './policy/sensitivity.ts';
import type { PolicyEngine } from './policy/types.ts';
import type { UpstreamSettings } from './upstream/types.ts';

/** Policy, catalog and inspection rules as read from disk, checked against their pins and approved as configured. */
export interface Approved {
  approvals: Approvals;
  catalog: Catalog;
  inspection: LoadedRules;
  policy: PolicyEngine;
  /** What the engine was made from. */
  bundle: Bundle;
}

const NOT_ASKED: Approvals = { policy: null, catalog: null };

/** When approvals are judged. */
export interface Judged {
  /** Seconds since the epoch. */
  now: number;
  /** What is in force until then; null: nothing. */
  before: Approvals | null;
}

/** What is approved, and what this machine holds to meet its servers with. */
export interface Serving extends Approved {
  peers: Peers;
  manifests: AgentManifests;
}

/** As {@link loadApproved}, with the files of {@link loadPeers} and {@link loadManifests}. */
export async function loadServing(config: Config, ranks: Ranks, judged: Judged): Promise<Serving> {
  const approved = await loadApproved(config, ranks, judged);
  try {
    const manifests = await loadManifests(config);
    return { ...approved, peers: await loadPeers(config, approved.catalog), manifests };
  } catch (error) {
    approved.policy.close();
    throw error;
  }
}

/**
 * Reads and checks bundle, catalog and inspection rules, without any traffic. Rejects with POLICY_INVALID, CATALOG_INVALID,
 * POLICY_HASH_MISMATCH, CATALOG_HASH_MISMATCH, POLICY_UNAPPROVED, CATALOG_UNAPPROVED or INSPECTION_INVALID; nothing is half loaded.
 * `judged` null: to be measured and not put in force, whenever that is.
 */
export async function loadApproved(config: Config, ranks: Ranks, judged: Judged | null): Promise<Approved> {
  const bundle = await loadBundle(config.policy.path);
  // With a key, the hash says where a store begins: what may come after it is the store's to say (policy-standing.ts).
  if (config.policy.key === null) requirePinned('POLICY_HASH_MISMATCH', config.policy.pin, bundle.hash);
  const catalog = await loadCatalog(config.catalog.path, ranks);
  requirePinned('CATALOG_HASH_MISMATCH', config.catalog.pin, catalog.hash);
  const inspection = await loadRules(config.inspection.path, {
    ranks,
    catalog,
    classifier: config.inspection.classifier,
  });
  const hashes = { policy: bundle.hash, catalog: catalog.hash };
  const approvals = judged === null ? NOT_ASKED : await requireApprovals(config, hashes, judged);
  return { catalog, inspection, policy: createEngine(bundle, catalog, ranks), bundle, approvals };
}

/** @throws GatewayError POLICY_UNAPPROVED or CATALOG_UNAPPROVED */
async function requireApprovals(
  { policy, catalog }: Pick<Config, 'policy' | 'catalog'>,
  hash: { policy: string; catalog: string },
  { now, before }: Judged,
): Promise<Approvals> {
  const bundle = { kind: 'bundle', path: policy.path, hash: hash.policy } as const;
  const list = { kind: 'catalog', path: catalog.path, hash: hash.catalog } as const;
  return {
    policy: await requireApproval(bundle, policy.approval, now, before?.policy),
    catalog: await requireApproval(list, catalog.approval, now, before?.catalog),
  };
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
    credential: own?.credential ?? null,
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
