import { GatewayError } from '../../errors.ts';
import { targetOf } from '../../policy/native-entities.ts';
import type { DecisionInput, PolicyEngine } from '../../policy/types.ts';
import type { RecordedDecision } from '../../recording/record.ts';
import { placeIn } from '../written.ts';
import { readScenario, type Vocabulary } from './scenario.ts';
import { decided, type Workpiece } from './workshop.ts';

/** A decision as it is compared: what it is, and what made it so. */
export interface Verdict {
  effect: RecordedDecision['decision']['effect'];
  policies: string[];
  /** What is removed from the answer. */
  redactions: readonly string[];
  error: string | null;
}

/** One recorded decision that another bundle makes otherwise. */
export interface Change {
  call: string;
  session: string;
  time: string;
  stage: RecordedDecision['stage'];
  agent: string;
  /** The tool of a call; of everything else the action and its target. */
  asked: string;
  from: Verdict;
  to: Verdict;
}

/** Changes that are alike. */
export interface ChangeGroup extends Pick<Change, 'stage' | 'asked' | 'from' | 'to'> {
  count: number;
}

export interface Replay {
  /** Recorded decisions that were made again. */
  decisions: number;
  changes: Change[];
  /** The same, by what changes how, most frequent first. */
  groups: ChangeGroup[];
  /** Decisions that stay what they were, for which other policies are the reason now. */
  otherReasons: number;
  /** What cannot be decided again under this catalog and vocabulary. */
  unread: { call: string; why: string }[];
  bundle: string;
  catalog: string;
  /** Catalogs other than the given one that decisions were recorded under, and how many. */
  otherCatalogs: { catalog: string; decisions: number }[];
  /** What the bundle that was in force says now, where it is given. */
  before: Before | null;
}

/** How the recorded decisions stand to the bundle that they are said to come from. */
export interface Before {
  bundle: string;
  /** Decisions that were recorded under another bundle than the given one. */
  otherBundle: number;
  /** Decisions that the given bundle does not make so; `from` is what was recorded. */
  disagrees: Change[];
}

/** Decides again, under the bundle of `next`, what was recorded. */
export function replay(
  records: readonly RecordedDecision[],
  vocabulary: Vocabulary,
  next: Workpiece,
  before: Workpiece | null,
): Replay {
  const changes: Change[] = [];
  const disagrees: Change[] = [];
  const unread: Replay['unread'] = [];
  let otherReasons = 0;
  for (const record of records) {
    const input = inputOf(record, vocabulary);
    if (input instanceof GatewayError) {
      unread.push({ call: record.callId, why: input.detail });
      continue;
    }
    const change = { ...changeOf(record, input), to: verdictOf(next.engine, input) };
    if (!sameOutcome(change.to, change.from)) changes.push(change);
    else if (change.to.policies.join() !== change.from.policies.join()) otherReasons += 1;
    if (before?.bundle.hash !== record.bundleHash) continue;
    const again = verdictOf(before.engine, input);
    if (!sameVerdict(again, change.from)) disagrees.push({ ...change, to: again });
  }
  return {
    decisions: records.length - unread.length,
    changes,
    groups: groupsOf(changes),
    otherReasons,
    unread,
    bundle: next.bundle.hash,
    catalog: vocabulary.catalog.hash,
    otherCatalogs: otherCatalogs(records, vocabulary.catalog.hash),
    before: before && {
      bundle: before.bundle.hash,
      otherBundle: records.filter(({ bundleHash }) => bundleHash !== before.bundle.hash).length,
      disagrees,
    },
  };
}

/** What was decided, or why that cannot be said under this vocabulary. */
export function inputOf(record: RecordedDecision, vocabulary: Vocabulary): DecisionInput | GatewayError {
  try {
    return readScenario(record.input, placeIn(`call ${record.callId}`, 'RECORDING_INVALID'), vocabulary);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'RECORDING_INVALID') return error;
    throw error;
  }
}

/** What is asked for, in the words of the catalog. */
export function askedText({ asked }: DecisionInput): string {
  const { id } = targetOf(asked);
  return asked.action === 'call_tool' ? id : `${asked.action} ${id}`;
}

function changeOf(record: RecordedDecision, input: DecisionInput): Omit<Change, 'to'> {
  return {
    call: record.callId,
    session: record.sessionId,
    time: new Date(Math.floor(record.timeMicros / 1000)).toISOString(),
    stage: record.stage,
    agent: input.caller.subject,
    asked: askedText(input),
    from: verdictIn(record.decision),
  };
}

function verdictIn({ effect, policyIds, redactions, error }: RecordedDecision['decision']): Verdict {
  return { effect, policies: policyIds, redactions, error };
}

function verdictOf(engine: PolicyEngine, input: DecisionInput): Verdict {
  const decision = decided(engine, input);
  return verdictIn({ ...decision, redactions: decision.redactions.map(({ text }) => text) });
}

/** Whether a request fares the same, whatever the reason. */
function sameOutcome(a: Verdict, b: Verdict): boolean {
  return a.effect === b.effect && a.redactions.join() === b.redactions.join();
}

function sameVerdict(a: Verdict, b: Verdict): boolean {
  return sameOutcome(a, b) && a.policies.join() === b.policies.join();
}

function groupsOf(changes: readonly Change[]): ChangeGroup[] {
  const groups = new Map<string, ChangeGroup>();
  for (const { stage, asked, from, to } of changes) {
    const key = JSON.stringify([stage, asked, from, to]);
    const group = groups.get(key) ?? { stage, asked, from, to, count: 0 };
    groups.set(key, { ...group, count: group.count + 1 });
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

function otherCatalogs(records: readonly RecordedDecision[], own: string): Replay['otherCatalogs'] {
  const counts = new Map<string, number>();
  for (const { catalogHash } of records) {
    if (catalogHash !== own) counts.set(catalogHash, (counts.get(catalogHash) ?? 0) + 1);
  }
  return [...counts].map(([catalog, decisions]) => ({ catalog, decisions }));
}
