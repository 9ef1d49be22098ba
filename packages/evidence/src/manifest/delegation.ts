import { verifyEd25519 } from '../crypto/ed25519.ts';
import { asserted, failed, informative, notChecked, proven, required } from '../finding.ts';
import { member } from '../json/value.ts';
import type { Check } from '../report.ts';
import { parseTimestamp } from '../time.ts';
import type { ManifestContext } from './context.ts';
import type { DelegationHop, ManifestDocument } from './document.ts';
import { recordBytes } from './preimage.ts';
import { type Stage, stage } from './stage.ts';

/** What became of the delegations of a manifest (wire-formats section 16.4). */
export type DelegationResult = 'VALID' | 'INVALID' | 'NOT_PRESENT' | 'UNVERIFIABLE';

/** The verification of a manifest's delegations. */
export interface Delegation extends Stage {
  result: DelegationResult;
}

/** Depth that a grant allows when it does not say. */
const DEFAULT_DEPTH = 3;
const TITLE = 'Does the authority come from the issuer, and narrow at every step?';

/** Whether each step of the delegation was signed, starts with the issuer and narrows what it passes on (wire-formats section 16.5). */
export async function delegationOf(document: ManifestDocument, context: ManifestContext): Promise<Delegation> {
  const hops = document.delegation_chain ?? [];
  const needed = context.requireDelegation === true;
  if (hops.length === 0) {
    const check = required('manifest.delegation', TITLE, failed('the manifest has no delegation, and one is required'));
    return { ...stage(needed ? [check] : []), result: 'NOT_PRESENT' };
  }
  const answer = (result: DelegationResult, check: Check): Delegation => ({
    ...stage([check, inForce(hops, context.at)], ...(result === 'UNVERIFIABLE' ? (['UNVERIFIABLE'] as const) : [])),
    result,
  });
  const unverifiable = (why: string, remedy: string): Delegation =>
    answer('UNVERIFIABLE', required('manifest.delegation', TITLE, notChecked(why, remedy)));
  const keys = context.delegationKeys ?? {};
  if (Object.keys(keys).length === 0) return unverifiable('no keys of delegating principals were given', 'their keys');
  const problem = formProblem(document, hops) ?? (await signatureProblem(document.manifest_id, hops, keys));
  if (problem === UNSUPPORTED) return unverifiable(problem, 'another engine');
  if (problem !== null) return answer('INVALID', required('manifest.delegation', TITLE, failed(problem)));
  if (hops.some(({ scope_grant }) => (scope_grant?.constraints ?? []).length > 0)) {
    return unverifiable(
      'the delegation has constraints in Cedar, which are not evaluated here',
      'a verifier that does',
    );
  }
  return answer(
    'VALID',
    required(
      'manifest.delegation',
      TITLE,
      proven(`${hops.length} delegations, each narrower`, 'the keys of the principals'),
    ),
  );
}

const UNSUPPORTED = 'this engine has no Ed25519 in WebCrypto';

/** What is wrong with the chain as such: its root, its order, its depth, a step that widens. */
function formProblem({ issuer, agent_id }: ManifestDocument, hops: readonly DelegationHop[]): string | null {
  const [root] = hops;
  const authority = issuer ?? agent_id;
  if (root?.principal_id !== authority && root?.principal_manifest_id !== authority) {
    return `the first delegation is by ${root?.principal_id}, not by ${authority}`;
  }
  const depth = root.scope_grant?.max_delegation_depth ?? DEFAULT_DEPTH;
  if (hops.length - 1 > depth) return `authority was passed on ${hops.length - 1} times, and ${depth} are allowed`;
  for (const [i, hop] of hops.entries()) {
    if (hop.hop !== i) return `delegation ${i} has the number ${hop.hop}`;
    const parent = i === 0 ? undefined : hops[i - 1];
    const widened = parent === undefined ? null : widening(parent, hop);
    if (widened !== null) return `delegation ${i} ${widened}`;
  }
  return null;
}

/** How `child` grants more than `parent` did, or null. */
function widening(parent: DelegationHop, child: DelegationHop): string | null {
  const from = parent.scope_grant ?? {};
  const to = child.scope_grant ?? {};
  const [tools = [], fewer = []] = [from.tools, to.tools];
  // No list of tools means all of them.
  if (tools.length > 0 && (fewer.length === 0 || !within(fewer, tools))) return 'grants tools that it was not granted';
  // No list of classes means none of them.
  if (!within(to.data_classifications ?? [], from.data_classifications ?? [])) {
    return 'grants classes of data that it was not granted';
  }
  if (!within(from.constraints ?? [], to.constraints ?? [])) return 'drops a constraint';
  if ((to.max_delegation_depth ?? DEFAULT_DEPTH) > (from.max_delegation_depth ?? DEFAULT_DEPTH)) {
    return 'may be passed on further than what it comes from';
  }
  return outlives(parent, child) ? 'lasts longer than what it comes from' : null;
}

function outlives(parent: DelegationHop, child: DelegationHop): boolean {
  const limit = parent.scope_grant?.ttl_seconds;
  const life = child.scope_grant?.ttl_seconds;
  if (limit == null) return false;
  // The same duration, counted from a later start, ends later.
  return life == null || life > limit || (endOf(child) ?? 0) > (endOf(parent) ?? 0);
}

/** When the authority of a step ends, seconds since the epoch; null when it does not end. */
export function endOf({ delegated_at = '', scope_grant }: DelegationHop): number | null {
  const start = parseTimestamp(delegated_at);
  const life = scope_grant?.ttl_seconds;
  return start === null || life == null ? null : start / 1e6 + life;
}

function within(few: readonly string[], many: readonly string[]): boolean {
  const all = new Set(many);
  return few.every((item) => all.has(item));
}

async function signatureProblem(
  manifestId: string,
  hops: readonly DelegationHop[],
  keys: Readonly<Record<string, string>>,
): Promise<string | null> {
  for (const [i, hop] of hops.entries()) {
    const key = member(keys, hop.principal_id ?? '');
    if (typeof key !== 'string') return `no key was given for ${hop.principal_id}, who signed delegation ${i}`;
    const result = await verifyEd25519(key, hop.delegation_signature ?? '', hopBytes(manifestId, hop));
    if (result === 'unsupported') return UNSUPPORTED;
    if (result === 'invalid') return `delegation ${i} is not signed by ${hop.principal_id}`;
  }
  return null;
}

function hopBytes(manifestId: string, hop: DelegationHop): Uint8Array<ArrayBuffer> {
  const { hop: index, principal_id, principal_type, delegated_at, scope_grant } = hop;
  return recordBytes({ hop: index, manifest_id: manifestId, principal_id, principal_type, delegated_at, scope_grant });
}

/** Whether the delegated authority lasts: the manifest does not end with it, what the agent may do in others' names does. */
function inForce(hops: readonly DelegationHop[], at: number): Check {
  const ends = hops.map(endOf).filter((end) => end !== null);
  const over = ends.some((end) => end < at);
  const finding = over
    ? asserted('the time for which authority was delegated is over')
    : proven('no delegation has ended', 'the verifier’s clock');
  return informative('manifest.delegation_time', 'Is the delegated authority still in force?', finding);
}
