import type { JsonValue } from '@cmcp/evidence';
import { TRUST_LEVELS } from '../../attestation/types.ts';
import { CALLER_SOURCES, type Caller } from '../../caller.ts';
import { Fields, type Where } from '../../catalog/fields.ts';
import type { Catalog, Labels } from '../../catalog/types.ts';
import { nearest } from '../../config/nearest.ts';
import { FINDING_KINDS, type FindingKind } from '../../inspection/types.ts';
import { effectiveClass } from '../../pipeline/resolve.ts';
import { type Ranks, rankOf } from '../../policy/sensitivity.ts';
import type { DecisionInput } from '../../policy/types.ts';
import { higher, type Sensitivity, UNEXPOSED } from '../../session/exposure.ts';
import { itemsOf } from './items-of.ts';
import { ASKED_MEMBERS, readAsked } from './scenario-asked.ts';

export { scenarioOf } from '../../policy/scenario-of.ts';

/** What a described request is read under: names are those of the catalog, labels those of the vocabulary. */
export interface Vocabulary {
  catalog: Catalog;
  ranks: Ranks;
}

/** Every member of a described request. */
export const SCENARIO_MEMBERS: readonly string[] = [
  'caller',
  'workflow',
  'session',
  'platform',
  'trust_level',
  'response',
  ...ASKED_MEMBERS,
];

type Response = NonNullable<DecisionInput['response']>;

const SUBJECT = { pattern: /^[ -~]+$/, expected: 'printable ASCII text' };

/**
 * Reads a described request, closed and with defaults filled in: an agent that has seen nothing, on a gateway without
 * hardware. What may be shown (`session.max_class`, `response.class`) is what the path would compute for a lone call.
 *
 * @throws GatewayError as `place` makes it, for an unknown member, name, URI or label, or a value that no request has
 */
export function readScenario(value: JsonValue, place: Where, vocabulary: Vocabulary): DecisionInput {
  const fields = new Fields(value, place, SCENARIO_MEMBERS);
  const asked = readAsked(fields, vocabulary.catalog);
  const items = itemsOf(asked, vocabulary.catalog);
  const revealed = items.map((item) => effectiveClass(vocabulary.ranks, item, null)).reduce(higher, UNEXPOSED);
  const response = readResponse(fields, revealed, vocabulary.ranks);
  return {
    caller: readCaller(fields),
    asked,
    session: readSession(fields, items, vocabulary.ranks),
    workflow: fields.optionalText('workflow'),
    platform: fields.optionalText('platform') ?? 'software-only',
    trustLevel: fields.get('trust_level') === undefined ? 'software' : fields.oneOf('trust_level', TRUST_LEVELS),
    ...(response === null ? {} : { response }),
  };
}

function readCaller(fields: Fields<Where>): Caller {
  const given = fields.get('caller');
  if (given === undefined || typeof given === 'string') {
    return { subject: fields.text('caller', SUBJECT), source: 'bearer' };
  }
  const caller = new Fields(given, fields.place.at('caller'), ['subject', 'source']);
  const source = caller.get('source') === undefined ? 'bearer' : caller.oneOf('source', CALLER_SOURCES);
  return { subject: caller.text('subject', SUBJECT), source };
}

function readSession(fields: Fields<Where>, items: readonly Labels[], ranks: Ranks): DecisionInput['session'] {
  const given = fields.get('session') ?? {};
  const session = new Fields(given, fields.place.at('session'), ['class', 'max_class', 'in_flight', 'generation']);
  const seen = readClass(session, 'class', ranks) ?? UNEXPOSED;
  // As the path does: a tie keeps the class that was seen.
  const alone = items.map((item) => effectiveClass(ranks, item, null)).reduce(higher, seen);
  const max = readClass(session, 'max_class', ranks) ?? alone;
  if (max.rank < seen.rank) throw session.place.at('max_class').refuse('must not be lower than "class"');
  return {
    class: seen.class,
    classRank: seen.rank,
    maxClass: max.class,
    maxClassRank: max.rank,
    inFlight: session.count('in_flight', 0),
    generation: session.count('generation', 0),
  };
}

function readResponse(fields: Fields<Where>, revealed: Sensitivity, ranks: Ranks): Response | null {
  const given = fields.get('response');
  if (given === undefined || given === null) return null;
  const response = new Fields(given, fields.place.at('response'), ['size', 'findings', 'kinds', 'injection', 'class']);
  const shown = readClass(response, 'class', ranks) ?? revealed;
  return {
    sizeBytes: response.count('size', 0),
    findings: response.count('findings', 0),
    kinds: readKinds(response),
    injection: response.count('injection', 0),
    class: shown.class,
    classRank: shown.rank,
  };
}

function readKinds(response: Fields<Where>): FindingKind[] {
  if (response.get('kinds') === undefined) return [];
  const given = response.array('kinds', FINDING_KINDS.length);
  const unknown = given.findIndex((kind) => FINDING_KINDS.every((known) => known !== kind));
  if (unknown >= 0)
    throw response.place
      .at('kinds')
      .at(unknown)
      .refuse(`must be one of ${FINDING_KINDS.join(', ')}`);
  return FINDING_KINDS.filter((kind) => given.includes(kind)).sort();
}

/** Null where the member is absent. */
function readClass(fields: Fields<Where>, key: string, ranks: Ranks): Sensitivity | null {
  const label = fields.optionalText(key);
  if (label === null) return null;
  if (!ranks.has(label)) {
    const guess = nearest(label, [...ranks.keys()]);
    throw fields.place.at(key).refuse(`unknown data class ${JSON.stringify(label)}; did you mean "${guess}"?`);
  }
  return { class: label, rank: rankOf(ranks, label) };
}
