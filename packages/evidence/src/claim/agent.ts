import { type ChainEntry, textOf } from '../audit/chain-entry.ts';
import { FormatError } from '../format-error.ts';
import { canonicalSorted } from '../json/canonical.ts';
import { type JsonObject, member } from '../json/value.ts';
import { AGENT_IDENTITY, type AgentIdentity, type WireClaim } from './wire.ts';

/** The names under which session_start commits to the agent of the session, so that the chain root covers what the claim says of it. */
const AGENT_MEMBERS = {
  manifest_id: 'manifest_id',
  agent_id: 'manifest_agent_id',
  authenticated_subject: 'manifest_subject',
  subject_source: 'manifest_subject_source',
  issuer: 'manifest_issuer',
  issuer_key_id: 'manifest_issuer_key_id',
  policy_bundle_hash: 'manifest_policy_hash',
  tool_catalog_hash: 'manifest_catalog_hash',
  intent_hash: 'manifest_intent_hash',
  agent_key_thumbprint: 'manifest_agent_key',
} as const satisfies Record<keyof AgentIdentity, string>;

/** The members of a session_start `detail` that commit to `identity`. */
export function agentCommitment(identity: AgentIdentity): JsonObject {
  const said = Object.entries(AGENT_MEMBERS).flatMap(([name, committed]): [string, string][] => {
    const value = member(identity, name);
    return typeof value === 'string' ? [[committed, value]] : [];
  });
  return Object.fromEntries(said);
}

/**
 * The agent that a session_start `detail` names; null where it names none.
 *
 * @throws FormatError for one that no claim could name
 */
export function committedAgent(detail: JsonObject): AgentIdentity | null {
  const said = agentMembers(detail);
  const problem = said === null ? null : AGENT_IDENTITY(said, 'the agent in session_start');
  if (problem !== null) throw new FormatError(problem);
  return said as AgentIdentity | null;
}

/** The same, member by member and unchecked. */
function agentMembers(detail: JsonObject): JsonObject | null {
  const said = Object.entries(AGENT_MEMBERS).flatMap(([name, committed]): [string, string][] => {
    const value = textOf(detail, committed);
    return value === null ? [] : [[name, value]];
  });
  return said.length === 0 ? null : Object.fromEntries(said);
}

/** How the claim's agent is another than the one that session_start, the entry `start`, committed to; null where it is the same. */
export function agentProblem({ gateway }: WireClaim, start: ChainEntry): string | null {
  const committed = agentMembers(start.detail ?? {});
  const claimed = gateway.agent_identity ?? null;
  if (canonicalSorted(committed) === canonicalSorted(claimed)) return null;
  if (committed === null) return 'session_start commits to no agent, the claim names one';
  if (claimed === null) return 'session_start commits to an agent, the claim names none';
  const differs = Object.keys({ ...committed, ...claimed }).find(
    (name) => member(committed, name) !== member(claimed, name),
  );
  return `the agent's ${differs} is committed as ${member(committed, differs ?? '') ?? 'nothing'}, the claim says otherwise`;
}
