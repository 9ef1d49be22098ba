import { type AuditEntry, CallGraph, isObject, member } from '@cmcp/evidence';
import { asciiName } from '../claim.ts';
import { isCall } from './drafts.ts';

/** Above this many calls a claim leaves its transcript entries out; the transcript hash stays (contracts section 6). */
export const MAX_TRANSCRIPT_CALLS = 10_000;

export interface TranscriptLine {
  tool_name: string;
  data_class: string;
  decision: string;
}

/** What a claim says about a chain's entries, kept as they are linked, so that closing costs nothing that grows. */
export interface Tally {
  calls: number;
  allowed: number;
  denied: number;
  faulted: number;
  tools: Set<string>;
  complianceDomains: Set<string>;
  graph: CallGraph;
  /** Null once there were more than {@link MAX_TRANSCRIPT_CALLS}. */
  transcript: TranscriptLine[] | null;
  maxSensitivity: string | null;
  drift: boolean;
  /** An entry gives the kill switch as its reason. */
  killSwitch: boolean;
}

export function emptyTally(): Tally {
  return {
    calls: 0,
    allowed: 0,
    denied: 0,
    faulted: 0,
    tools: new Set(),
    complianceDomains: new Set(),
    graph: new CallGraph(),
    transcript: [],
    maxSensitivity: null,
    drift: false,
    killSwitch: false,
  };
}

/**
 * Counts one entry. `ranks` orders the sensitivity labels. Every call ends in exactly one entry of a call's type, so the
 * counters add up to the number of calls (wire-formats section 8; the reference's W-09 lost faults and egress denials).
 * Members are read as if they could be anything: a recovered store may have been edited.
 */
export function countEntry(tally: Tally, entry: AuditEntry, ranks: ReadonlyMap<string, number>): void {
  raiseSensitivity(tally, member(entry, 'session_sensitivity_after'), ranks);
  if (entry.entry_type === 'catalog_drift') tally.drift = true;
  if (detailText(entry, 'reason') === 'kill_switch_triggered') tally.killSwitch = true;
  tally.graph.see(entry);
  if (!isCall(entry)) return;
  const decision = transcriptDecision(entry);
  const toolName = asciiName(text(member(entry, 'tool_name')));
  tally.calls += 1;
  tally[counterOf(decision)] += 1;
  tally.tools.add(toolName);
  tally.complianceDomains.add(complianceDomain(entry));
  tally.transcript?.push({ tool_name: toolName, data_class: asciiName(text(entry.effective_data_class)), decision });
  if (tally.calls > MAX_TRANSCRIPT_CALLS) tally.transcript = null;
}

/** The reference's words: approvals that were not given are denials, and a fault is one whatever policy had said. */
function transcriptDecision(entry: AuditEntry): string {
  if (entry.entry_type === 'fault') return 'fault';
  switch (entry.policy_decision) {
    case 'allow':
    case 'redact':
    case 'advisory_deny':
    case 'fault':
    case 'n/a':
      return entry.policy_decision;
    default:
      return 'deny';
  }
}

/** What was answered counts as allowed, also where advisory mode would have denied it. */
function counterOf(decision: string): 'allowed' | 'denied' | 'faulted' {
  if (decision === 'fault') return 'faulted';
  return decision === 'allow' || decision === 'redact' || decision === 'advisory_deny' ? 'allowed' : 'denied';
}

function complianceDomain(entry: AuditEntry): string {
  return asciiName(text(detailText(entry, 'compliance_domain')));
}

function detailText(entry: AuditEntry, name: string): unknown {
  return isObject(entry.detail ?? undefined) ? member(entry.detail ?? {}, name) : null;
}

/** A tie keeps the earlier label (wire-formats section 5); a label without a rank counts as above all that have one. */
function raiseSensitivity(tally: Tally, label: unknown, ranks: ReadonlyMap<string, number>): void {
  if (typeof label !== 'string') return;
  if (tally.maxSensitivity === null || rankOrHighest(ranks, label) > rankOrHighest(ranks, tally.maxSensitivity)) {
    tally.maxSensitivity = label;
  }
}

/** Rank of a sensitivity label; infinite for one that is not in the vocabulary, since nothing is known about it. */
export function rankOrHighest(ranks: ReadonlyMap<string, number>, label: string): number {
  return ranks.get(label) ?? Number.POSITIVE_INFINITY;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : 'unknown';
}
