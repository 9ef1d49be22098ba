import { CallGraph, type Crossing } from './call-graph.ts';
import { type ChainEntry, hasCommitments, isCall, textOf } from './chain-entry.ts';
import type { Witness } from './observer.ts';

/** What the entries of a chain add up to, worked out from nothing but the entries. */
export interface Summary {
  total: number;
  allowed: number;
  denied: number;
  faulted: number;
  /** Names of all tools called, sorted by code point; denied calls included. */
  tools: string[];
  /** The same, in the order of first use. */
  toolsByFirstUse: string[];
  /**
   * Sorted. From `detail.compliance_domain` of the entries that end calls; `unknown` where a call met no catalog entry. Null
   * when an entry does not say it, as the reference's do not.
   */
  domains: string[] | null;
  /** The edges between domains; they say no more than the entries do, so that they mean nothing where `domains` is null. */
  crossings: Crossing[];
  /** Every label that the session had. */
  sensitivities: ReadonlySet<string>;
  /** A `catalog_drift` entry is in the chain. */
  drift: boolean;
  /** An entry gives the kill switch as its reason. */
  killSwitch: boolean;
  suspiciousSequences: number;
}

/** Adds up a chain, entry by entry. */
export class Sum implements Witness {
  readonly #outcomes = { allowed: 0, denied: 0, faulted: 0 };
  readonly #tools = new Set<string>();
  readonly #domains = new Set<string>();
  readonly #sensitivities = new Set<string>();
  readonly #graph = new CallGraph();
  #complete = false;
  #domainsKnown = true;
  #drift = false;
  #killSwitch = false;
  #suspiciousSequences = 0;

  see(entry: ChainEntry, at: number): void {
    if (at === 0) this.#complete = hasCommitments(entry);
    if (entry.sensitivity !== null) this.#sensitivities.add(entry.sensitivity);
    if (entry.type === 'catalog_drift') this.#drift = true;
    if (entry.type === 'suspicious_call_sequence') this.#suspiciousSequences++;
    if (entry.detail !== null && textOf(entry.detail, 'reason') === 'kill_switch_triggered') this.#killSwitch = true;
    if (isCall(entry)) this.#seeCall(entry);
    this.#graph.see(entry.raw);
  }

  #seeCall(call: ChainEntry): void {
    this.#outcomes[outcomeOf(call)]++;
    this.#tools.add(call.toolName ?? '');
    const said = call.detail === null ? null : textOf(call.detail, 'compliance_domain');
    const domain = knownOf(said, call, this.#complete);
    if (domain === null) this.#domainsKnown = false;
    else this.#domains.add(domain);
  }

  get summary(): Summary {
    const { allowed, denied, faulted } = this.#outcomes;
    return {
      ...this.#outcomes,
      total: allowed + denied + faulted,
      tools: [...this.#tools].sort(),
      toolsByFirstUse: [...this.#tools],
      domains: this.#domainsKnown ? [...this.#domains].sort() : null,
      crossings: this.#graph.crossings,
      sensitivities: this.#sensitivities,
      drift: this.#drift,
      killSwitch: this.#killSwitch,
      suspiciousSequences: this.#suspiciousSequences,
    };
  }
}

/** A call that was answered, in advisory mode too, was allowed; one that policy or a guard stopped was denied. */
function outcomeOf(call: ChainEntry): 'allowed' | 'denied' | 'faulted' {
  if (call.type === 'fault' || call.decision === 'fault') return 'faulted';
  return call.decision === 'allow' || call.decision === 'redact' || call.decision === 'advisory_deny'
    ? 'allowed'
    : 'denied';
}

/**
 * What is known of a domain or class that a call's entry gives as `said`, or does not give. `complete`: the writer puts both into
 * the entry of every call, so that a missing one means `unknown` (ours); otherwise it means that nothing can be said (null), unless
 * the call missed the catalog.
 */
export function knownOf(said: string | null, call: ChainEntry, complete: boolean): string | null {
  if (said !== null) return said;
  // No server: the tool was not in the catalog, so nothing is known about it.
  return complete || call.server === null ? 'unknown' : null;
}
