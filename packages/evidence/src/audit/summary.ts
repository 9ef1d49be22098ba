import type { TranscriptLine } from '../claim/wire.ts';
import { type ChainEntry, isCall, textOf } from './chain-entry.ts';

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
  /** One line per call, in order; null when an entry does not say the class of its data. */
  transcript: TranscriptLine[] | null;
  /** Every label that the session had. */
  sensitivities: Set<string>;
  /** A `catalog_drift` entry is in the chain. */
  drift: boolean;
  /** An entry gives the kill switch as its reason. */
  killSwitch: boolean;
  suspiciousSequences: number;
}

/**
 * Adds up a chain. `complete`: the writer puts domain and data class of every call into its entry, so that a missing one
 * means `unknown` (ours); otherwise it means that nothing can be said, unless the call missed the catalog.
 */
export function summarise(entries: readonly ChainEntry[], complete: boolean): Summary {
  const calls = entries.filter(isCall);
  const outcomes = calls.map(outcomeOf);
  const tools = new Set(calls.map((call) => call.toolName ?? ''));
  const domains = calls.map((call) =>
    known(call.detail === null ? null : textOf(call.detail, 'compliance_domain'), call, complete),
  );
  return {
    total: calls.length,
    allowed: outcomes.filter((outcome) => outcome === 'allowed').length,
    denied: outcomes.filter((outcome) => outcome === 'denied').length,
    faulted: outcomes.filter((outcome) => outcome === 'faulted').length,
    tools: [...tools].sort(),
    toolsByFirstUse: [...tools],
    domains: allKnown(domains) ? [...new Set(domains)].sort() : null,
    transcript: transcriptOf(calls, complete),
    sensitivities: new Set(entries.flatMap((entry) => entry.sensitivity ?? [])),
    drift: entries.some((entry) => entry.type === 'catalog_drift'),
    killSwitch: entries.some(
      (entry) => entry.detail !== null && textOf(entry.detail, 'reason') === 'kill_switch_triggered',
    ),
    suspiciousSequences: entries.filter((entry) => entry.type === 'suspicious_call_sequence').length,
  };
}

/** A call that was answered, in advisory mode too, was allowed; one that policy or a guard stopped was denied. */
function outcomeOf(call: ChainEntry): 'allowed' | 'denied' | 'faulted' {
  if (call.type === 'fault' || call.decision === 'fault') return 'faulted';
  return call.decision === 'allow' || call.decision === 'redact' || call.decision === 'advisory_deny'
    ? 'allowed'
    : 'denied';
}

/** The claim narrows the decisions that ask for something to what they were: denials (wire-formats section 5). */
function narrowed(call: ChainEntry): string {
  if (call.type === 'fault') return 'fault';
  return call.decision === 'step_up' || call.decision === 'defer' ? 'deny' : (call.decision ?? 'n/a');
}

function transcriptOf(calls: readonly ChainEntry[], complete: boolean): TranscriptLine[] | null {
  const classes = calls.map((call) => known(call.dataClass, call, complete));
  if (!allKnown(classes)) return null;
  return calls.map((call, i) => ({
    tool_name: call.toolName ?? '',
    data_class: classes[i] ?? '',
    decision: narrowed(call),
  }));
}

function known(said: string | null, call: ChainEntry, complete: boolean): string | null {
  if (said !== null) return said;
  // No server: the tool was not in the catalog, so nothing is known about it.
  return complete || call.server === null ? 'unknown' : null;
}

function allKnown(values: readonly (string | null)[]): values is string[] {
  return !values.includes(null);
}
