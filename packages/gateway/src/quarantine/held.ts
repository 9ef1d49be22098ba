import { canonicalSorted, digest, type JsonObject, stringifyJson } from '@cmcp/evidence';
import { formatTimestamp } from '../audit/timestamp.ts';
import type { Authority } from '../authority.ts';
import type { Answer } from '../inspection/response.ts';
import type { Finding, Outcome } from '../inspection/types.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import { requestName, requestPayload } from '../pipeline/record.ts';
import { plainly } from '../plainly.ts';

/** An answer that its caller was not given, and what it may be given for. */
export interface Held {
  /** The id of the call that it answered. */
  id: string;
  sessionId: string;
  subject: string;
  /** Nobody else is given it. */
  owner: string;
  /** Whose exposure it counts to. */
  exposed: string;
  /** Of that exposure: an answer of before a reset is shown to nobody (D-47). */
  generation: number;
  /** What asks for the same, and what has to be in force when it does. */
  request: string;
  governedBy: string;
  method: string;
  /** Catalog name of the tool, resource or prompt. */
  item: string;
  server: string;
  answer: Answer;
  findings: readonly { finding: Finding; outcome: Outcome }[];
  heldMicros: number;
  /** On the monotonic clock. */
  endsAt: number;
  /** Null: nobody has released it. */
  released: Release | null;
}

/** Who let an answer be given after all. */
export interface Release {
  operator: string;
  reason: string;
}

/** The same for requests that ask for the same thing: its method, what it names, and its arguments. */
export function requestKey(request: GovernedRequest): string {
  const { method } = request;
  return digest(canonicalSorted({ method, name: requestName(request), payload: requestPayload(request) }));
}

/** The same as long as the same policy, catalog and inspection rules are in force. */
export function authorityKey({ policy, catalog, inspection }: Authority): string {
  return [policy.bundleHash, catalog.hash, inspection.hash].join(' ');
}

/** What operators see of it in a list: names and counts, nothing that the server wrote. */
export function describe(held: Held, now: number): JsonObject {
  const rules = new Map<string, number>();
  for (const { finding } of held.findings) rules.set(finding.rule, (rules.get(finding.rule) ?? 0) + 1);
  return {
    id: held.id,
    state: held.released === null ? 'held' : 'released',
    item: held.item,
    method: held.method,
    server: held.server,
    subject: held.subject,
    session_id: held.sessionId,
    rules: Object.fromEntries([...rules].sort(([a], [b]) => (a < b ? -1 : 1))),
    bytes: held.answer.sizeBytes,
    held_at: formatTimestamp(held.heldMicros),
    ends_in_seconds: Math.max(0, Math.ceil((held.endsAt - now) / 1000)),
    ...(held.released && { released_by: held.released.operator, operator_reason: held.released.reason }),
  };
}

/** Everything of it, as text that is safe to look at: whoever releases it has to see what that is. */
export function shown(held: Held, now: number): JsonObject {
  return {
    ...describe(held, now),
    findings: held.findings.map(({ finding: { rule, kind, label, via, passage, start, end }, outcome }) => ({
      ...{ rule, kind, outcome, label },
      via: [...via],
      path: plainly(passage.path.join('.')),
      text: plainly(stringifyJson(passage.text.slice(start, end))),
    })),
    answer: plainly(held.answer.text),
  };
}
