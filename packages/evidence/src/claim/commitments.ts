import { type ChainEntry, textOf } from '../audit/chain-entry.ts';
import { type Finding, failed, notChecked, proven } from '../finding.ts';
import { type JsonObject, member } from '../json/value.ts';
import { openObject } from '../shape.ts';
import { agentProblem } from './agent.ts';
import { textProblem, type WireClaim } from './wire.ts';

const MODES = new Map([
  ['enforcing', 'enforce'],
  ['advisory', 'advisory'],
  ['silent', 'silent'],
]);

const FLAT = openObject((value, path) =>
  typeof value === 'string' || typeof value === 'number' ? null : `${path} is neither a text nor an integer`,
);

/**
 * Whether the claim says what session_start, the entry `start`, committed to (contracts section 3). The chain root covers these names, and the
 * nonce of hardware evidence covers the root: a claim that says otherwise would borrow evidence for another session.
 */
export function commitments(claim: WireClaim, start: ChainEntry | null): Finding {
  const detail = start?.detail ?? null;
  if (start === null || detail === null) return notChecked('session_start commits to nothing by name');
  if (member(detail, 'cmcp_v') !== 1) return failed('session_start commits in a version that is not known');
  const malformed = FLAT(detail, 'session_start.detail') ?? textProblem(detail, 'session_start.detail');
  if (malformed !== null) return failed(malformed);
  const said: [string, string | null | undefined, string][] = [
    ['bundle_hash', textOf(detail, 'bundle_hash'), claim.trace.policy.bundle_hash],
    ['catalog_hash', textOf(detail, 'catalog_hash'), claim.gateway.catalog.hash],
    ['mode', MODES.get(textOf(detail, 'mode') ?? ''), claim.trace.policy.enforcement_mode],
    ['trust_level', textOf(detail, 'trust_level'), trustLevel(claim, detail)],
    ['exposure', textOf(detail, 'exposure') ?? start.sensitivity, start.sensitivity ?? ''],
  ];
  const wrong = said.find(([, committed, claimed]) => committed !== claimed);
  if (wrong !== undefined)
    return failed(`${wrong[0]} is committed as ${wrong[1] ?? 'nothing known'}, the claim says ${wrong[2]}`);
  const agent = agentProblem(claim, start);
  if (agent !== null) return failed(agent);
  return predecessor(claim, textOf(detail, 'prev_claim_hash'));
}

/** Software says software; which hardware label is right is decided where hardware evidence is read. */
function trustLevel(claim: WireClaim, detail: JsonObject): string {
  if (claim.trace.runtime.platform === 'software-only') return 'software';
  const said = textOf(detail, 'trust_level') ?? 'nothing';
  return said === 'software' ? claim.trace.runtime.platform : said;
}

/**
 * Claims are linked when they are issued, commitments are made when a session opens: sessions that overlap may have other
 * claims in between. What cannot be is a claim that is first, in a store that had claims when the session opened.
 */
function predecessor(claim: WireClaim, committed: string | null): Finding {
  const had = committed !== null && committed !== 'none';
  if (had && claim.gateway.prev_claim_hash === undefined) {
    return failed('session_start names an earlier claim, the claim says that there is none');
  }
  return proven('bundle, catalog, mode and trust level are those that session_start committed to');
}
