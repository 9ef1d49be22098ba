import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Config } from '../../../config/types.ts';
import { GatewayError } from '../../../errors.ts';
import type { RecordedDecision } from '../../../recording/record.ts';
import type { Recording } from '../recording.ts';
import { inputOf } from '../replay.ts';
import { loadRecordings } from '../replay-files.ts';
import type { Vocabulary } from '../scenario.ts';
import { type FoundEntry, findEntry } from './entry.ts';
import { type Explanation, explain } from './explain.ts';
import { withExplainable } from './open.ts';
import type { Explainable, PlacedPolicy } from './study.ts';

export interface EntryGiven {
  /** A session file. */
  session: string;
  /** Sequence number or call id. */
  entry: string;
  recordings: readonly string[];
  /** File of the private key of the recordings; null: there are none. */
  key: string | null;
}

/** A policy as the bundle has it. */
export interface QuotedPolicy extends PlacedPolicy {
  text: string;
}

export interface EntryExplanation {
  sequence: number;
  call: string | null;
  time: string;
  type: string;
  action: string | null;
  name: string | null;
  agent: string | null;
  decision: string;
  /** What decided, as the entry says it: policies, or the name of a guard. */
  rule: string | null;
  /** The policies that the entry names, as the configured bundle has them. */
  policies: QuotedPolicy[];
  bundle: { committed: string | null; configured: string; same: boolean };
  /** The decisions of the call, where a recording has them. */
  decisions: RecordedExplanation[];
  /** What cannot be said, and why. */
  notes: string[];
}

/** A decision of a recording, explained. */
export interface RecordedExplanation extends Explanation {
  /** Whether it comes out as it was recorded. */
  asRecorded: boolean;
}

/**
 * Says what an entry of an audit chain records, and, with a recording, why it was decided so.
 *
 * @throws GatewayError INVALID_PARAMS, RECORDING_INVALID, POLICY_INVALID, CATALOG_INVALID
 */
export async function explainEntry(config: Config, given: EntryGiven): Promise<EntryExplanation> {
  const found = await findEntry(given.session, given.entry);
  const recording = given.key === null ? null : await loadRecordings(given.recordings, given.key);
  return withExplainable(config, (piece, vocabulary) => explained(found, piece, vocabulary, recording));
}

function explained(
  { entry, bundleHash }: FoundEntry,
  piece: Explainable,
  vocabulary: Vocabulary,
  recording: Recording | null,
): EntryExplanation {
  const same = bundleHash === piece.bundle.hash;
  const said = {
    sequence: Number(member(entry, 'sequence_number')),
    call: text(member(entry, 'call_id')),
    time: text(member(entry, 'timestamp_utc')) ?? '',
    type: text(member(entry, 'entry_type')) ?? '',
    action: text(member(entry, 'action')),
    name: text(member(entry, 'tool_name')),
    agent: text(member(entry, 'caller')),
    decision: text(member(entry, 'policy_decision')) ?? 'n/a',
    rule: text(member(entry, 'policy_rule_matched')),
    bundle: { committed: bundleHash, configured: piece.bundle.hash, same },
  };
  if (!same) {
    const other = `The session ran under bundle ${bundleHash ?? 'of no name'}, and the configured one is ${piece.bundle.hash}: its policies explain nothing here.`;
    return { ...said, policies: [], decisions: [], notes: [other] };
  }
  const { decisions, notes } = decisionsOf(said.call, piece, vocabulary, recording);
  return { ...said, policies: quoted(entry, piece), decisions, notes: [...ruleNotes(entry, said.rule), ...notes] };
}

function quoted(entry: JsonObject, { bundle, lines }: Explainable): QuotedPolicy[] {
  const ids = member(entry, 'policy_ids');
  const named = new Set(Array.isArray(ids) ? ids : []);
  return bundle.policies
    .filter(({ id }) => named.has(id))
    .map(({ id, effect, path, text: written }) => ({
      id,
      effect,
      place: `${path}:${lines.get(id) ?? 1}`,
      text: written,
    }));
}

/** What decided where it was no policy. */
function ruleNotes(entry: JsonObject, rule: string | null): string[] {
  const ids = member(entry, 'policy_ids');
  if (rule === null) return ['Nothing was decided here: the entry records an event.'];
  if (rule === 'default_deny') return ['No policy decided: no permit applied, and what nothing permits is denied.'];
  return Array.isArray(ids) && ids.join(',') === rule ? [] : [`What ended it was no policy but the gateway: ${rule}.`];
}

function decisionsOf(
  call: string | null,
  piece: Explainable,
  vocabulary: Vocabulary,
  recording: Recording | null,
): { decisions: RecordedExplanation[]; notes: string[] } {
  if (call === null) return { decisions: [], notes: [] };
  if (recording === null) {
    const digests =
      'An entry holds digests of what was asked and answered, so that which attribute decided cannot be said from it. A recording of the decisions, where one was made, holds it: --recording FILE --key FILE.';
    return { decisions: [], notes: [digests] };
  }
  const records = recording.records.filter(({ callId }) => callId === call);
  if (records.length === 0) {
    return { decisions: [], notes: ['The recordings hold no decision of this call.', ...recording.problems] };
  }
  const decisions: RecordedExplanation[] = [];
  const notes: string[] = [];
  for (const record of records) {
    const input = inputOf(record, vocabulary);
    if (input instanceof GatewayError) notes.push(input.detail);
    else decisions.push(recordedExplanation(record, explain(piece, vocabulary.catalog, input)));
  }
  const others = records.filter(({ catalogHash }) => catalogHash !== vocabulary.catalog.hash);
  if (others.length > 0) notes.push(`The call was decided under another catalog, ${others[0]?.catalogHash}.`);
  return { decisions, notes };
}

function recordedExplanation({ decision }: RecordedDecision, explanation: Explanation): RecordedExplanation {
  const { effect, policyIds } = explanation.decision;
  const asRecorded = effect === decision.effect && policyIds.join() === decision.policyIds.join();
  return { ...explanation, asRecorded };
}

function text(value: JsonValue | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
