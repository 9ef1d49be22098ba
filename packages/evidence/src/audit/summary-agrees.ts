import { exceptionsConfirmed } from '../claim/exceptions.ts';
import type { WireClaim } from '../claim/wire.ts';
import { asserted, type Finding, failed, notChecked, proven, provenUnless } from '../finding.ts';
import { canonicalSorted } from '../json/canonical.ts';
import type { JsonValue } from '../json/value.ts';
import { type Crossing, type CrossingBasis, crossingsInClaim } from './call-graph.ts';
import { type ChainEntry, hasCommitments } from './chain-entry.ts';
import type { Summary } from './summary.ts';
import type { Transcript } from './transcript.ts';

/** Above this many calls a claim leaves its transcript entries out (contracts section 6). */
const MAX_TRANSCRIPT_CALLS = 10_000;

const RANKS = new Map([
  ['public', 0],
  ['pii', 1],
  ['confidential', 2],
  ['hipaa_phi', 3],
  ['mnpi', 3],
  ['trade_secret', 3],
]);

const NOT_IN_ENTRIES = 'the entries of this bundle do not say it, so it cannot be worked out again';

/** Whether the transcript hash is the tip of the chain (defect D-35). */
export function transcriptHash(claim: WireClaim): Finding {
  const transcript = claim.trace.tool_transcript;
  if (transcript === undefined) return notChecked('the claim has no transcript');
  const same = transcript.hash === `sha256:${claim.gateway.audit_chain.tip}`;
  return provenUnless(
    same ? null : 'the transcript hash is not the tip of the chain',
    'the transcript hash is the tip of the chain',
  );
}

/** Whether the transcript has one line per call, each saying what its entry says. */
export function transcriptCalls(claim: WireClaim, summary: Summary, { known, wrong }: Transcript): Finding {
  const transcript = claim.trace.tool_transcript;
  if (transcript?.call_count === undefined) return notChecked('the claim has no transcript with a number of calls');
  if (transcript.call_count !== summary.total) {
    return failed(`call_count is ${transcript.call_count}, the chain has ${summary.total} calls`);
  }
  const { entries } = transcript;
  if (entries === undefined) {
    return summary.total > MAX_TRANSCRIPT_CALLS
      ? proven(`call_count is ${summary.total}; so many calls are not listed again in the claim`)
      : notChecked('the claim does not list its calls');
  }
  if (entries.length !== summary.total)
    return failed(`the transcript lists ${entries.length} of ${summary.total} calls`);
  if (!known) return notChecked(NOT_IN_ENTRIES);
  return provenUnless(
    wrong === null ? null : `line ${wrong} of the transcript is not what its entry says`,
    'every line is what its entry says',
  );
}

/** Whether the counters are those of the chain, and add up (defects D-36, W-09). */
export function counts(claim: WireClaim, summary: Summary): Finding {
  const said = claim.gateway.call_summary;
  const pairs: [string, number, number][] = [
    ['tool_calls_total', said.tool_calls_total, summary.total],
    ['tool_calls_allowed', said.tool_calls_allowed, summary.allowed],
    ['tool_calls_denied', said.tool_calls_denied, summary.denied],
    ['tool_calls_faulted', said.tool_calls_faulted, summary.faulted],
  ];
  for (const [name, claimed, counted] of pairs) {
    if (claimed !== counted) return failed(`${name} is ${claimed}, the chain has ${counted}`);
  }
  return proven(
    `${summary.allowed} allowed, ${summary.denied} denied, ${summary.faulted} faulted: ${summary.total} in all`,
  );
}

/** Whether the lists of tools are those of the chain. */
export function tools(claim: WireClaim, summary: Summary): Finding {
  if (!same(claim.gateway.call_summary.tools_invoked, summary.tools))
    return failed('tools_invoked is not the list of tools in the chain');
  const log = claim.gateway.call_log_summary;
  const agrees =
    log === undefined ||
    (log.total_calls === summary.total &&
      same(log.tools_called, summary.toolsByFirstUse) &&
      log.suspicious_sequences_detected === summary.suspiciousSequences);
  return provenUnless(
    agrees ? null : 'call_log_summary is not what the chain says',
    `${summary.tools.length} tools, as in the chain`,
  );
}

/** Whether the claim names the highest class that the session had. Ranks of labels that an operator made are not known here. */
export function sensitivity(claim: WireClaim, { sensitivities }: Summary): Finding {
  const claimed = claim.gateway.call_summary.session_max_sensitivity;
  if (claim.trace.data_class !== claimed) return failed('data_class and session_max_sensitivity differ');
  if (sensitivities.size === 0)
    return provenUnless(claimed === 'unknown' ? null : 'no entry names a class', 'no entry names a class');
  if (!sensitivities.has(claimed)) return failed(`no entry has the class ${claimed}`);
  const rank = RANKS.get(claimed);
  const higher = [...sensitivities].find((label) => rank !== undefined && (RANKS.get(label) ?? -1) > rank);
  if (higher !== undefined) return failed(`the session reached ${higher}, the claim says ${claimed}`);
  const unranked = [...sensitivities].find((label) => !RANKS.has(label));
  if (unranked !== undefined && sensitivities.size > 1) {
    return asserted(`${claimed} is a class of the session; how ${unranked} ranks is the operator's word`);
  }
  return proven(`${claimed} is the highest class in the chain`);
}

/** Whether the domains are those of the calls in the chain. */
export function domains(claim: WireClaim, summary: Summary): Finding {
  const graph = claim.gateway.call_summary.call_graph_summary;
  if (summary.domains === null) return notChecked(NOT_IN_ENTRIES);
  const agrees = same(graph.compliance_domains_touched, summary.domains);
  return provenUnless(
    agrees ? null : 'compliance_domains_touched is not what the calls say',
    'the domains are those of the calls',
  );
}

/**
 * Whether the edges between domains are those of the entries, with the disclaimer where there are any. `ours`: the writer says of
 * every call where its values came from; the reference draws edges by order alone, and says so in words of its own.
 */
export function crossings(claim: WireClaim, summary: Summary, ours: boolean): Finding {
  const graph = claim.gateway.call_summary.call_graph_summary;
  if (!ours && graph.cross_boundary_events.length > 0) return notChecked(NOT_IN_ENTRIES);
  const { cross_boundary_events, edges_represent } = crossingsInClaim(summary.crossings);
  if (!same(graph.cross_boundary_events, cross_boundary_events))
    return ours ? failed('cross_boundary_events is not what the entries say') : notChecked(NOT_IN_ENTRIES);
  if (ours && graph.edges_represent !== edges_represent)
    return failed('edges_represent is not the disclaimer that belongs to these edges');
  return proven(crossingsText(summary.crossings));
}

/** How many crossings there were of each basis, and what that says. */
function crossingsText(all: readonly Crossing[]): string {
  if (all.length === 0) return 'no crossing is known; values that were changed beyond recognition leave no edge';
  const sum = (basis: CrossingBasis): number =>
    all.filter((item) => item.basis === basis).reduce((total, { count }) => total + (Number(count) || 1), 0);
  const observed = `${sum('observed')} observed (the call carried a value from the other domain)`;
  return `${observed}, ${sum('temporal')} temporal (the call came next; that is order, and no evidence that data moved)`;
}

/** Whether drift and kill switch are reported as they are in the chain. */
export function incidents(claim: WireClaim, summary: Summary): Finding {
  const { catalog, kill_switch_triggered } = claim.gateway;
  if ((catalog.drift_detected ?? false) !== summary.drift) return failed('drift_detected is not what the chain says');
  if ((kill_switch_triggered ?? false) !== summary.killSwitch)
    return failed('kill_switch_triggered is not what the chain says');
  return proven(summary.drift ? 'tool definitions drifted, and the claim says so' : 'no drift, no kill switch');
}

/** Whether the claim lists exceptions that no entry confirms. Of ours, `start` names every one. */
export function unconfirmed(claim: WireClaim, start: ChainEntry | null): Finding {
  const claimed = claim.gateway.catalog_exceptions?.length ?? 0;
  if (claimed === 0) return proven('the claim lists no exception');
  if (exceptionsConfirmed(claim, start)) return proven('session_start names each exception');
  const detail = `${claimed} catalog exceptions that no entry confirms`;
  return hasCommitments(start) ? failed(detail) : notChecked(detail);
}

function same(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  return a !== undefined && b !== undefined && canonicalSorted(a) === canonicalSorted(b);
}
