import type { LiveCatalog } from './catalog/live.ts';
import type { Catalog } from './catalog/types.ts';
import type { PolicyEngine } from './policy/types.ts';

/**
 * What a session is governed by: one bundle, one catalog, and the live servers that the catalog names. A session keeps the
 * one it was opened under; activation makes another (contracts section 1).
 */
export interface Authority {
  readonly catalog: Catalog;
  readonly policy: PolicyEngine;
  /** Id of the key that signed the bundle; null where none is pinned. */
  readonly policyKey: string | null;
  readonly live: LiveCatalog;
}
