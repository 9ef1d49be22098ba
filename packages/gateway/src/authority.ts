import type { AgentManifests } from './agent-manifest/manifests.ts';
import type { Approvals } from './approval/require.ts';
import type { LiveCatalog } from './catalog/live.ts';
import type { Catalog } from './catalog/types.ts';
import type { Egress } from './egress.ts';
import type { LoadedRules } from './inspection/rules/load.ts';
import type { Serving } from './load-authority.ts';
import type { PolicyEngine } from './policy/types.ts';

/**
 * What a session is governed by: one bundle, one catalog, one set of inspection rules, and the live servers that the catalog names. A session keeps the
 * one it was opened under; activation makes another (contracts section 1).
 */
export interface Authority {
  readonly catalog: Catalog;
  readonly policy: PolicyEngine;
  /** Id of the key that signed the bundle; null where none is pinned. */
  readonly policyKey: string | null;
  /** How answers are inspected. */
  readonly inspection: LoadedRules;
  readonly live: LiveCatalog;
  /** Where the gateway itself may connect to for it. */
  readonly egress: Egress;
  /** Who approved them, where the configuration asks for it. */
  readonly approvals: Approvals;
  /** What agents are bound to. */
  readonly manifests: AgentManifests;
  /** What was read and approved, without any exception. */
  readonly base: Pick<Serving, 'catalog' | 'bundle' | 'peers' | 'manifests'>;
}
