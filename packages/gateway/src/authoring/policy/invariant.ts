import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { TRUST_LEVELS } from '../../attestation/types.ts';
import { Fields, type Where } from '../../catalog/fields.ts';
import { nearest } from '../../config/nearest.ts';
import { ACTION_FORMS, TOOL_GROUP } from '../../policy/actions.ts';
import { rankOf } from '../../policy/sensitivity.ts';
import { type DecisionInput, EFFECTS, type Effect } from '../../policy/types.ts';
import { itemsOf } from './items-of.ts';
import type { Vocabulary } from './scenario.ts';

/** What must never be decided, for requests of a kind. */
export interface Invariant {
  name: string;
  /** `tests/<file>:<line>`. */
  where: string;
  never: readonly Effect[];
  concerns(input: DecisionInput): boolean;
  /** As written, for values that are worth trying. */
  when: JsonObject;
}

type Matches = (input: DecisionInput) => boolean;
/** @param place of the matcher's value */
type ReadMatcher = (when: Fields<Where>, key: string, vocabulary: Vocabulary) => Matches;

const ACTIONS = [TOOL_GROUP, ...ACTION_FORMS.flatMap(({ actions }) => actions)];

/** Each thing that a `when` may say. All that it says has to hold; of a list, one. */
const MATCHERS: Readonly<Record<string, ReadMatcher>> = {
  action: words(ACTIONS, ({ asked }) => [asked.action]),
  stage: words(['request', 'answer'], ({ response }) => [response === undefined ? 'request' : 'answer']),
  caller: anyText(({ caller }) => [caller.subject]),
  group: anyText(({ caller }) => [...(caller.groups ?? [])]),
  scope: anyText(({ caller }) => [...(caller.scopes ?? [])]),
  platform: anyText(({ platform }) => [platform]),
  trust_level: words(TRUST_LEVELS, ({ trustLevel }) => [trustLevel]),
  tool: catalogued(
    ({ catalog }) => catalog.tools.map(({ name }) => name),
    ({ asked }) => ('tool' in asked && typeof asked.tool === 'object' ? [asked.tool.name] : []),
  ),
  server: catalogued(
    ({ catalog }) => catalog.servers.map(({ id }) => id),
    (input, { catalog }) => itemsOf(input.asked, catalog).map(({ server }) => server.id),
  ),
  destination: words(['internal', 'external'], (input, { catalog }) =>
    itemsOf(input.asked, catalog).map(({ destinationClass }) => destinationClass),
  ),
  effects: words(['read', 'write'], ({ asked }) => [effectsOf(asked)]),
  class_above: above(({ session }) => session.classRank),
  max_class_above: above(({ session }) => session.maxClassRank),
  carries_above: above(({ flow }) => flow.max.rank),
  sensitivity_above: above((input, { catalog }) =>
    Math.max(...itemsOf(input.asked, catalog).map(({ sensitivityRank }) => sensitivityRank)),
  ),
  arguments: argumentsAre,
  not: (when, key, vocabulary) => {
    const inside = readWhen(when.get(key) ?? null, when.place.at(key), vocabulary);
    return (input) => !inside(input);
  },
};

export const WHEN_MEMBERS: readonly string[] = Object.keys(MATCHERS);

/** @throws GatewayError as `place` makes it */
export function readInvariant(value: JsonValue, place: Where, vocabulary: Vocabulary): Invariant {
  const fields = new Fields(value, place, ['name', 'never', 'when']);
  const given = fields.get('never');
  const never = Array.isArray(given) ? given : [given ?? null];
  return {
    name: fields.text('name'),
    where: String(place),
    never: never.map((effect) => oneOf(effect, EFFECTS, place.at('never'))),
    concerns: readWhen(fields.get('when') ?? null, place.at('when'), vocabulary),
    when: fields.object('when'),
  };
}

function readWhen(value: JsonValue, place: Where, vocabulary: Vocabulary): Matches {
  const when = new Fields(value, place, WHEN_MEMBERS);
  const matches = Object.keys(when.value).map((key) => MATCHERS[key]?.(when, key, vocabulary));
  return (input) => matches.every((match) => match?.(input));
}

type Found = (input: DecisionInput, vocabulary: Vocabulary) => readonly JsonValue[];

/** One of a closed set of words, or a list of them. */
function words<W extends string>(known: readonly W[], found: Found): ReadMatcher {
  return catalogued(() => known, found);
}

function catalogued(known: (vocabulary: Vocabulary) => readonly string[], found: Found): ReadMatcher {
  return (when, key, vocabulary) => {
    const at = when.place.at(key);
    const wanted = listed(when.get(key)).map((word) => oneOf(word, known(vocabulary), at));
    return (input) => found(input, vocabulary).some((each) => wanted.some((word) => word === each));
  };
}

function anyText(found: Found): ReadMatcher {
  return (when, key, vocabulary) => {
    const wanted = listed(when.get(key));
    if (!wanted.every((word) => typeof word === 'string')) throw when.place.at(key).refuse('must be text, or a list');
    return (input) => found(input, vocabulary).some((each) => wanted.some((word) => word === each));
  };
}

function above(rank: (input: DecisionInput, vocabulary: Vocabulary) => number): ReadMatcher {
  return (when, key, vocabulary) => {
    const label = oneOf(when.get(key) ?? null, [...vocabulary.ranks.keys()], when.place.at(key));
    const limit = rankOf(vocabulary.ranks, label);
    return (input) => rank(input, vocabulary) > limit;
  };
}

/** Arguments of a tool or a prompt that have this value, or one of the list. */
function argumentsAre(when: Fields<Where>, key: string): Matches {
  const wanted = Object.entries(when.object(key)).map(([name, value]) => {
    return [name, new Set(listed(value).map((each) => JSON.stringify(each)))] as const;
  });
  return ({ asked }) => {
    if (!('arguments' in asked)) return false;
    const given = new Map<string, JsonValue>(Object.entries(asked.arguments));
    return wanted.every(([name, values]) => given.has(name) && values.has(JSON.stringify(given.get(name))));
  };
}

/** As the path sees it: asking after a task changes nothing, and only tools can. */
function effectsOf(asked: DecisionInput['asked']): string {
  if (asked.action === 'call_tool' || asked.action === 'update_task' || asked.action === 'cancel_task') {
    return asked.tool.effects;
  }
  return 'read';
}

function listed(value: JsonValue | undefined): JsonValue[] {
  return Array.isArray(value) ? value : [value ?? null];
}

function oneOf<W extends string>(value: JsonValue, known: readonly W[], at: Where): W {
  const word = known.find((each) => each === value);
  if (word !== undefined) return word;
  const guess = typeof value === 'string' ? nearest(value, known) : null;
  throw at.refuse(guess === null ? `must be one of ${known.join(', ')}` : `unknown; did you mean "${guess}"?`);
}
