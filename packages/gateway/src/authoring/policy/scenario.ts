import type { JsonValue } from '@cmcp/evidence';
import { TRUST_LEVELS } from '../../attestation/types.ts';
import { Fields, type Where } from '../../catalog/fields.ts';
import type { Catalog, Labels } from '../../catalog/types.ts';
import { nearest } from '../../config/nearest.ts';
import { CHANNELS } from '../../escalation/types.ts';
import { FINDING_KINDS, type FindingKind } from '../../inspection/types.ts';
import { effectiveClass } from '../../pipeline/resolve.ts';
import { type Ranks, rankOf } from '../../policy/sensitivity.ts';
import type { DecisionInput } from '../../policy/types.ts';
import { higher, type Sensitivity, UNEXPOSED } from '../../session/exposure.ts';
import type { FlowView } from '../../session/flow/types.ts';
import { itemsOf } from './items-of.ts';
import { ASKED_MEMBERS, readAsked } from './scenario-asked.ts';
import { PRINTABLE, readCaller } from './scenario-caller.ts';

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
  'flow',
  'platform',
  'trust_level',
  'manifest',
  'response',
  'approval',
  ...ASKED_MEMBERS,
];

type Response = NonNullable<DecisionInput['response']>;

const MAX_NAMES = 10_000;

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
  const session = readSession(fields, items, vocabulary.ranks);
  return {
    caller: readCaller(fields),
    asked,
    session,
    flow: readFlow(fields, { class: session.class, rank: session.classRank }, vocabulary),
    workflow: fields.optionalText('workflow'),
    platform: fields.optionalText('platform') ?? 'software-only',
    trustLevel: fields.get('trust_level') === undefined ? 'software' : fields.oneOf('trust_level', TRUST_LEVELS),
    ...readManifestView(fields),
    ...(response === null ? {} : { response }),
    ...readApproval(fields),
  };
}

function readManifestView(fields: Fields<Where>): Pick<DecisionInput, 'manifest'> {
  const given = fields.get('manifest');
  if (given === undefined) return {};
  const manifest = new Fields(given, fields.place.at('manifest'), ['id', 'issuer', 'intent_hash']);
  const intentHash = manifest.optionalText('intent_hash');
  return { manifest: { id: manifest.text('id', PRINTABLE), issuer: manifest.text('issuer', PRINTABLE), intentHash } };
}

/** What was approved of it: by an operator, without a signature, where nothing else is said. */
function readApproval(fields: Fields<Where>): Pick<DecisionInput, 'approval'> {
  const given = fields.get('approval');
  if (given === undefined || given === null) return {};
  const approval = new Fields(given, fields.place.at('approval'), ['policies', 'approvers', 'channel', 'signed']);
  return {
    approval: {
      policies: readTexts(approval, 'policies'),
      approvers: readTexts(approval, 'approvers'),
      channel: approval.get('channel') === undefined ? 'operator' : approval.oneOf('channel', CHANNELS),
      signed: approval.boolean('signed', false),
    },
  };
}

/** Sorted, each once; none where the member is absent. */
function readTexts(fields: Fields<Where>, key: string): string[] {
  if (fields.get(key) === undefined) return [];
  const read = fields.array(key, MAX_NAMES).map((name, index) => {
    if (typeof name === 'string') return name;
    throw fields.place.at(key).at(index).refuse('must be text');
  });
  return distinct(read);
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

/** What flows is named by what the catalog has. Servers and classes that are not given are those of the tools. */
function readFlow(fields: Fields<Where>, seen: Sensitivity, { catalog, ranks }: Vocabulary): FlowView {
  const members = ['tools', 'servers', 'classes', 'max_sensitivity', 'complete'];
  const flow = new Fields(fields.get('flow') ?? {}, fields.place.at('flow'), members);
  const items = [...catalog.tools, ...catalog.resources, ...catalog.prompts];
  const tools = readNames(flow, 'tools', 'tool, resource or prompt', distinct(items.map(({ name }) => name))) ?? [];
  const given = items.filter(({ name }) => tools.includes(name));
  const ids = distinct(catalog.servers.map(({ id }) => id));
  const servers = readNames(flow, 'servers', 'server', ids) ?? distinct(given.map(({ server }) => server.id));
  const domains = distinct(given.map(({ complianceDomain }) => complianceDomain));
  const classes =
    readNames(flow, 'classes', 'data class', [...ranks.keys()]) ??
    distinct(given.map(({ sensitivity }) => sensitivity));
  const complete = flow.boolean('complete', true);
  const known = classes.map((label) => ({ class: label, rank: rankOf(ranks, label) })).reduce(higher, UNEXPOSED);
  // As on the path: where not everything is remembered, all that was seen counts.
  const max = readClass(flow, 'max_sensitivity', ranks) ?? (complete ? known : higher(known, seen));
  if (max.rank < known.rank) throw flow.place.at('max_sensitivity').refuse('must not be lower than one of "classes"');
  return { tools, servers, domains, classes, max, complete };
}

/** Names that exist, sorted, each once; null where the member is absent. */
function readNames(fields: Fields<Where>, key: string, kind: string, known: readonly string[]): string[] | null {
  if (fields.get(key) === undefined) return null;
  const read = fields.array(key, MAX_NAMES).map((name, index) => {
    const at = fields.place.at(key).at(index);
    if (typeof name !== 'string') throw at.refuse(`must be the name of a ${kind}`);
    if (known.includes(name)) return name;
    const guess = nearest(name, known);
    throw at.refuse(`there is no ${kind} ${JSON.stringify(name)}${guess === null ? '' : `; did you mean "${guess}"?`}`);
  });
  return distinct(read);
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
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
