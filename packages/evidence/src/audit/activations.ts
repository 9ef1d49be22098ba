import { type Finding, failed, proven } from '../finding.ts';
import { type ChainEntry, isCall, textOf } from './chain-entry.ts';
import type { Observer } from './observer.ts';

/** What an entry of each type says was activated, and what a session's claim names. */
const ACTIVATED = new Map([
  ['policy_load', 'bundle_hash'],
  ['catalog_load', 'catalog_hash'],
]);

/**
 * Whether the calls of a chain were all decided under one bundle and one catalog (contracts section 1): activating another closes
 * the session. The gateway's own chain records activations, and has no calls.
 */
export function oneAuthority(claimed: { bundle_hash: string; catalog_hash: string }): Observer {
  let other: number | null = null;
  let calls = false;
  const names = new Map(Object.entries(claimed));
  return {
    see(entry: ChainEntry, at: number) {
      calls ||= isCall(entry);
      const name = ACTIVATED.get(entry.type);
      if (name === undefined || other !== null) return;
      if (textOf(entry.detail ?? {}, name) !== names.get(name)) other = at;
    },
    finding(): Finding {
      if (other === null) return proven('no other bundle or catalog was activated in the session');
      return calls
        ? failed(`entry ${other} activates another bundle or catalog, and the session has calls`)
        : proven('activations are recorded, and the chain has no calls');
    },
  };
}
