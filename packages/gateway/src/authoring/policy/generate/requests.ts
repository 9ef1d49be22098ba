import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { TRUST_LEVELS } from '../../../attestation/types.ts';
import type { CatalogPrompt, CatalogResource, CatalogServer, CatalogTool } from '../../../catalog/types.ts';
import { isInjection } from '../../../inspection/judge.ts';
import { FINDING_KINDS } from '../../../inspection/types.ts';
import type { DecisionInput } from '../../../policy/types.ts';
import { placeIn } from '../../written.ts';
import { offeredBy } from '../items-of.ts';
import { readScenario, type Vocabulary } from '../scenario.ts';
import { argumentsFor, type Making } from './value.ts';

/** A request as described, and as it is decided. */
export interface Described {
  scenario: JsonObject;
  input: DecisionInput;
}

/** Makes what is asked for. */
type Target = () => JsonObject;

const TASK_ACTIONS = ['get_task', 'update_task', 'cancel_task'] as const;

/**
 * Makes requests that the path could put to a policy, for ever: everything that the catalog makes possible in turn, by callers
 * that rules name and one that none does, with sessions of every class, at both decisions.
 */
export class Requests {
  readonly #vocabulary: Vocabulary;
  readonly #making: Making;
  readonly #targets: readonly Target[];
  #turn = 0;

  constructor(vocabulary: Vocabulary, making: Making) {
    this.#vocabulary = vocabulary;
    this.#making = making;
    this.#targets = targetsOf(vocabulary, making);
  }

  /** Null where the catalog makes nothing possible. */
  next(): Described | null {
    const target = this.#targets[this.#turn % this.#targets.length];
    this.#turn += 1;
    if (target === undefined) return null;
    const plain = { caller: this.#caller(), ...target(), ...this.#circumstances() };
    const { session } = this.#read(plain);
    const raised = this.#raised(plain, session.maxClassRank);
    const scenario = this.#making.choose.chance(0.4) ? { ...raised, response: this.#response(raised) } : raised;
    return { scenario, input: this.#read(scenario) };
  }

  #read(scenario: JsonObject): DecisionInput {
    return readScenario(scenario, placeIn('a generated request', 'INTERNAL_ERROR'), this.#vocabulary);
  }

  /** More than a subject only where the rules look at more. */
  #caller(): JsonValue {
    const { choose, ideas } = this.#making;
    const subject = choose.pick(['somebody', ...ideas.subjects]) ?? '';
    const described: JsonObject = { subject };
    const [groups, scopes, users] = [ideas.groups, ideas.texts('scopes'), ideas.texts('on_behalf_of')];
    if (groups.length > 0) described.groups = groups.filter(() => choose.chance(0.4));
    if (scopes.length > 0) described.scopes = scopes.filter((scope) => scope !== '' && choose.chance(0.4));
    if (users.length > 0 && choose.chance(0.5))
      described.on_behalf_of = choose.pick(['someone', ...users]) || 'someone';
    return Object.keys(described).length === 1 ? subject : described;
  }

  #circumstances(): JsonObject {
    const { choose, ideas } = this.#making;
    const described: JsonObject = {};
    const session: JsonObject = {};
    if (choose.chance(0.7)) session.class = choose.pick([...this.#vocabulary.ranks.keys()]) ?? 'public';
    if (choose.chance(0.2)) session.generation = this.#count('generation');
    if (choose.chance(0.2)) session.in_flight = this.#count('in_flight');
    if (Object.keys(session).length > 0) described.session = session;
    if (choose.chance(0.4)) described.flow = this.#flow(String(session.class ?? 'public'));
    if (choose.chance(0.3)) described.workflow = choose.pick(['w', ...ideas.texts('id')]) ?? 'w';
    if (choose.chance(0.3)) described.platform = choose.pick(['tpm2', ...ideas.texts('platform')]) ?? 'tpm2';
    if (choose.chance(0.5)) described.trust_level = choose.pick(TRUST_LEVELS) ?? 'software';
    if (choose.chance(0.3)) described.manifest = this.#manifest();
    return described;
  }

  #manifest(): JsonObject {
    const { choose, ideas } = this.#making;
    const one = (name: string): string => choose.pick(['m', ...ideas.texts(name)]) ?? 'm';
    return { id: one('id'), issuer: one('issuer'), ...(choose.chance(0.7) ? { intent_hash: one('intent_hash') } : {}) };
  }

  /** Values of what was given before: of no higher class than what was seen. */
  #flow(seen: string): JsonObject {
    const { choose, ideas } = this.#making;
    const { catalog, ranks } = this.#vocabulary;
    const most = ranks.get(seen) ?? 0;
    const items = [...catalog.tools, ...catalog.resources, ...catalog.prompts].filter(
      ({ sensitivityRank }) => sensitivityRank <= most,
    );
    const looked = items.filter(
      ({ name, server, sensitivity }) =>
        ideas.texts('tools').includes(name) ||
        ideas.texts('servers').includes(server.id) ||
        ideas.texts('classes').includes(sensitivity),
    );
    const given = [choose.pick(looked), choose.pick(items)].filter((item) => item !== undefined && choose.chance(0.7));
    const tools = given.flatMap((item) => (item === undefined ? [] : [item.name]));
    return { tools: [...new Set(tools)], ...(choose.chance(0.3) ? { complete: false } : {}) };
  }

  /** Others in flight may show more than this request. */
  #raised(scenario: JsonObject, rank: number): JsonObject {
    const { choose } = this.#making;
    const higher = [...this.#vocabulary.ranks].filter(([, each]) => each > rank).map(([label]) => label);
    const label = choose.chance(0.2) ? choose.pick(higher) : undefined;
    if (label === undefined) return scenario;
    const session = isObject(scenario.session) ? scenario.session : {};
    const others = typeof session.in_flight === 'number' ? session.in_flight : 0;
    return { ...scenario, session: { ...session, in_flight: Math.max(1, others), max_class: label } };
  }

  #response(scenario: JsonObject): JsonObject {
    const { choose } = this.#making;
    const response: JsonObject = { size: this.#count('size') };
    if (choose.chance(0.3)) Object.assign(response, this.#found());
    const known = this.#read({ ...scenario, response: {} }).response?.classRank ?? 0;
    const labels = [...this.#vocabulary.ranks].filter(([, rank]) => rank >= known).map(([label]) => label);
    if (choose.chance(0.3)) response.class = choose.pick(labels) ?? 'public';
    return response;
  }

  #found(): JsonObject {
    const findings = this.#count('findings');
    const kinds = findings === 0 ? [] : [this.#making.choose.pick(FINDING_KINDS) ?? 'secret'];
    return { findings, kinds, injection: kinds.some((kind) => isInjection({ kind })) ? findings : 0 };
  }

  #count(name: string): number {
    const { choose, ideas } = this.#making;
    return choose.pick([0, 1, ...ideas.longs(name), 1_000_000].filter((count) => count >= 0)) ?? 0;
  }
}

/** What can be asked for. A server asks only what its entry in the catalog lets it ask: the rest never reaches a policy. */
function targetsOf({ catalog }: Vocabulary, making: Making): Target[] {
  return [
    ...catalog.tools.flatMap((tool) => toolTargets(tool, making)),
    ...catalog.resources.flatMap((resource) => resourceTargets(resource, catalog.resolveResource, making)),
    ...catalog.prompts.flatMap((prompt) => promptTargets(prompt, making)),
    ...catalog.servers.flatMap((server) => {
      const names = offeredBy(server, catalog).map(({ name }) => name);
      return names.length === 0 ? [] : server.asks.map((ask) => askTarget(server, ask, names, making));
    }),
  ];
}

function toolTargets({ name, inputSchema }: CatalogTool, making: Making): Target[] {
  const call = (): JsonObject => ({ call: name, arguments: argumentsFor(inputSchema, making) });
  const task = (): JsonObject => ({ task: { action: making.choose.pick(TASK_ACTIONS) ?? 'get_task', tool: name } });
  return [call, call, call, task];
}

function resourceTargets(
  resource: CatalogResource,
  resolve: (uri: string) => CatalogResource | null,
  making: Making,
): Target[] {
  const uris = urisOf(resource, making).filter((uri) => resolve(uri)?.name === resource.name);
  const complete = (): JsonObject => ({ complete: { resource: resource.name, argument: argument([], making) } });
  if (uris.length === 0) return [complete];
  const uri = (): string => making.choose.pick(uris) ?? '';
  return [() => ({ read: uri() }), () => ({ subscribe: uri() }), complete];
}

/** How each operator of a template begins what it stands for (RFC 6570). */
const EXPANDED: Readonly<Record<string, string>> = {
  '#': '#x',
  '.': '.x',
  '/': '/x',
  ';': ';x=x',
  '?': '?x=x',
  '&': '&x=x',
};

function urisOf({ pattern }: CatalogResource, { ideas }: Making): string[] {
  if (pattern.kind === 'uri') return [pattern.uri];
  const { text } = pattern.template;
  const values = ['x', ...ideas.texts('uri').flatMap((uri) => uri.split('/'))];
  const expanded = values.map((value) =>
    text.replaceAll(/\{([^}])([^}]*)\}/g, (_whole, operator: string, rest: string) => {
      const [name = 'x'] = rest.split(/[,:*]/);
      return EXPANDED[operator]?.replace('x=', `${name}=`) ?? value;
    }),
  );
  return [...ideas.texts('uri'), ...expanded];
}

function promptTargets({ name, definition }: CatalogPrompt, making: Making): Target[] {
  const declared = member(definition, 'arguments');
  const described = (Array.isArray(declared) ? declared : []).filter(isObject);
  const names = described.map((each) => member(each, 'name')).filter((each) => typeof each === 'string');
  const get = (): JsonObject => {
    const given = names.filter((each) => isRequired(described, each) || making.choose.chance(0.5));
    return { prompt: name, arguments: Object.fromEntries(given.map((each) => [each, text('value', making)])) };
  };
  return [get, () => ({ complete: { prompt: name, argument: argument(names, making) } })];
}

function isRequired(described: readonly JsonObject[], name: string): boolean {
  return described.some((each) => member(each, 'name') === name && member(each, 'required') === true);
}

function argument(names: readonly string[], making: Making): JsonObject {
  const name = making.choose.pick([...names, ...making.ideas.texts('name')]) ?? 'x';
  return { name, value: text('value', making) };
}

function text(attribute: string, { choose, ideas }: Making): string {
  return choose.pick(['x', '', ...ideas.texts(attribute)]) ?? '';
}

function askTarget(server: CatalogServer, ask: CatalogServer['asks'][number], names: string[], making: Making): Target {
  const { choose, ideas } = making;
  const by = (): JsonObject => ({ server: server.id, during: choose.pick(names) ?? '' });
  const number = (name: string): number => choose.pick([1, 1000, ...ideas.longs(name)].filter((each) => each > 0)) ?? 1;
  switch (ask) {
    case 'list_roots':
      return () => ({ list_roots: by() });
    case 'sample':
      return () => ({
        sample: {
          ...by(),
          max_tokens: number('max_tokens'),
          messages: number('messages'),
          include_context: choose.pick(['none', 'thisServer', 'allServers', ...ideas.texts('include_context')]) ?? '',
          system_prompt: choose.chance(0.5),
          tools: choose.chance(0.5),
        },
      });
    case 'elicit':
      return () => {
        const message = text('message', making);
        if (choose.chance(0.5)) return { elicit: { ...by(), message, mode: 'url', host: text('host', making) } };
        const fields = ['name', ...ideas.texts('fields')].filter(() => choose.chance(0.4));
        return { elicit: { ...by(), message, fields } };
      };
  }
}
