import {
  type CedarValueJson,
  type EntityJson,
  getValidRequestEnvsPolicy,
  isAuthorizedPartial,
  type PolicyJson,
} from '@cedar-policy/cedar-wasm/nodejs';
import type { Catalog } from '../../../catalog/types.ts';
import { TOOL_GROUP } from '../../../policy/actions.ts';
import type { Bundle } from '../../../policy/bundle.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import type { CedarRequest, RequestBuilder } from '../../../policy/request.ts';
import { admits, scopeOfRequest } from '../../../policy/scope-match.ts';
import { refuseBundle } from '../../../policy/text.ts';
import type { Asked, DecisionInput } from '../../../policy/types.ts';
import { NO_FLOW } from '../../../session/flow/view.ts';
import { askedUnder } from './askable.ts';
import { entitiesIn, stringsIn, unknown } from './expression.ts';

/** What Cedar says of each policy for all requests of a kind, by id. What is in none of these never holds for any of them. */
export interface Answer {
  /** Holds for all of them. */
  holds: ReadonlySet<string>;
  /** Fails for all of them. */
  fails: ReadonlySet<string>;
  /** What its holding depends on. */
  open: ReadonlyMap<string, PolicyJson>;
}

/** A kind of requests: what is known of all of them. Everything else may be anything. */
export interface Kind {
  asked: Asked;
  /** `null`: an agent that the policies do not name. */
  principal: string | null;
  /** Of those that the policies name. */
  groups: readonly string[];
  /** Whether a credential names a user. */
  delegated: boolean;
  workflow: boolean;
  /** The session is bound to an Agent Manifest. */
  manifest: boolean;
  response: boolean;
  /** It was approved before, and is decided again. */
  approval: boolean;
}

/** A kind with Cedar's answer. */
export interface Case extends Kind {
  answer: Answer;
}

const NOTHING: Answer = { holds: new Set(), fails: new Set(), open: new Map() };

type Known = Readonly<Record<string, CedarValueJson>>;

/** Members of a request that the catalog settles; the others may be anything. */
const SETTLED = new Set(['server_identity', 'compliance_domain', 'baa_covered', 'destination_class', 'egress', 'mode']);
const READ_WITH_WORKFLOW = ['workflow', 'workflow_id'];
const READ_WITH_APPROVAL = ['approval'];
const READ_WHEN_DELEGATED = ['on_behalf_of'];
const READ_WITH_MANIFEST = ['manifest'];
/** Groups that are taken one by one; beyond these, all together and none. */
const MAX_GROUPS = 8;
const READ_WITH_RESPONSE = [
  'response',
  'egress',
  'sensitivity_level',
  'injection_events',
  'reset_count',
  'response_size_bytes',
];

/**
 * Asks the genuine engine about every kind of request that a catalog makes possible, by partial evaluation: what it answers holds
 * for each request of the kind, whatever the arguments, the session and the caller.
 */
export class Survey {
  readonly cases: readonly Case[];
  readonly #bundle: Bundle;
  readonly #requests: RequestBuilder;
  /** Every text in the policies: what is not among these, they cannot tell from others of its kind. */
  readonly #texts: ReadonlySet<string>;
  /** The same of each policy, by its id. */
  readonly #textsOf: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #anyone: string;
  /** Which groups an agent may be in, as far as the policies can tell. */
  readonly #groups: readonly (readonly string[])[];
  readonly #answers = new Map<string, Answer>();
  /** Actions for which the types let a policy hold, by its id. */
  readonly #typed: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(bundle: Bundle, catalog: Catalog, requests: RequestBuilder, agents: readonly string[]) {
    this.#bundle = bundle;
    this.#requests = requests;
    this.#textsOf = new Map(bundle.policies.map(({ id, json }) => [id, new Set(stringsIn(json))]));
    this.#texts = new Set([...this.#textsOf.values()].flatMap((texts) => [...texts]));
    this.#anyone = unlike('any agent', this.#texts);
    this.#groups = bundle.request === 'native' ? groupsNamed(bundle) : [[]];
    this.#typed = bundle.request === 'native' ? typedActions(bundle) : new Map();
    this.cases = askedUnder(catalog).flatMap((asked) => this.#kinds(asked, agents).flatMap((kind) => this.#case(kind)));
  }

  /** Null where the bundle knows no such request. `known`: members of the context that are settled. */
  ask(kind: Kind, known: Known = {}): Answer | null {
    const request = this.#requests.build(this.#input(kind));
    if (request === null) return null;
    const context = opened(request.context, kind, known);
    const entities = request.entities.map(openedAgent);
    return this.#answer({ ...request, entities, context }, kind.asked);
  }

  /** Whether the types let a policy hold for such requests. */
  fits(policyId: string, { asked }: Kind): boolean {
    const actions = this.#typed.get(policyId);
    return actions?.has(actionOf(asked)) ?? true;
  }

  #case(kind: Kind): Case[] {
    const answer = this.ask(kind);
    return answer === null ? [] : [{ ...kind, answer }];
  }

  #kinds(asked: Asked, agents: readonly string[]): Kind[] {
    const native = this.#bundle.request === 'native';
    const named = native ? agents.filter((agent) => this.#texts.has(agent)) : [];
    const reads = (names: readonly string[]) => (names.some((name) => this.#texts.has(name)) ? [false, true] : [false]);
    const callers = [null, ...named].flatMap((principal) =>
      this.#groups.flatMap((groups) =>
        reads(READ_WHEN_DELEGATED).map((delegated) => ({ principal, groups, delegated })),
      ),
    );
    return callers.flatMap((caller) =>
      reads(READ_WITH_WORKFLOW).flatMap((workflow) =>
        reads(READ_WITH_MANIFEST).flatMap((manifest) =>
          reads(READ_WITH_RESPONSE).flatMap((response) =>
            reads(READ_WITH_APPROVAL).map((approval) => ({ asked, ...caller, workflow, manifest, response, approval })),
          ),
        ),
      ),
    );
  }

  #input({ asked, principal, groups, delegated, workflow, manifest, response, approval }: Kind): DecisionInput {
    return {
      asked,
      caller: {
        subject: principal ?? this.#anyone,
        source: 'bearer',
        groups,
        ...(delegated ? { onBehalfOf: 'anyone' } : {}),
      },
      session: { class: '', classRank: 0, maxClass: '', maxClassRank: 0, inFlight: 0, generation: 0 },
      flow: NO_FLOW,
      workflow: workflow ? 'any' : null,
      ...(manifest ? { manifest: { id: '', issuer: '', intentHash: null } } : {}),
      platform: '',
      trustLevel: '',
      ...(approval ? { approval: { policies: [], approvers: [], channel: 'operator', signed: false } } : {}),
      ...(response
        ? { response: { sizeBytes: 0, findings: 0, kinds: [], injection: 0, class: '', classRank: 0 } }
        : {}),
    };
  }

  #answer(request: CedarRequest, asked: Asked): Answer {
    const grouped = this.#bundle.request === 'native' && asked.action === 'call_tool';
    const scope = scopeOfRequest(request, grouped ? [TOOL_GROUP] : []);
    const policies = this.#bundle.policies.filter(({ json }) => admits(json, scope));
    if (policies.length === 0) return NOTHING;
    const key = this.#keyOf(request, policies);
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const parents = grouped ? [{ type: 'Action', id: TOOL_GROUP }] : [];
    const action: EntityJson = { uid: request.action, attrs: {}, parents };
    const answer = evaluate({ ...request, entities: [...request.entities, action] }, policies);
    this.#answers.set(key, answer);
    return answer;
  }

  /** What policies do not name is all the same to them, so that many alike tools are asked about once. */
  #keyOf({ principal, action, resource, entities, context }: CedarRequest, policies: readonly BundlePolicy[]): string {
    const veiled = (id: string) => (policies.some((policy) => this.#textsOf.get(policy.id)?.has(id)) ? id : '');
    const described = entities.map(({ uid: _, ...rest }) => rest);
    const names = [veiled(action.id), resource.type, veiled(resource.id), principal];
    return JSON.stringify([policies.map(({ id }) => id), names, described, context]);
  }
}

function evaluate(request: CedarRequest, policies: readonly BundlePolicy[]): Answer {
  const staticPolicies = Object.fromEntries(policies.map(({ id, text }) => [id, text]));
  const answer = isAuthorizedPartial({ ...request, policies: { staticPolicies } });
  if (answer.type === 'failure') {
    throw refuseBundle('the policies', answer.errors.map(({ message }) => message).join('; '));
  }
  const { satisfied, errored, nontrivialResiduals, residuals } = answer.response;
  const open = Object.entries(residuals).filter(([id]) => nontrivialResiduals.includes(id));
  return { holds: new Set(satisfied), fails: new Set(errored), open: new Map(open) };
}

/** Whether a policy may hold for some of the requests that were asked about. */
export function mayHold(answer: Answer, id: string): boolean {
  return answer.holds.has(id) || answer.open.has(id);
}

function actionOf(asked: Asked): string {
  return asked.action === 'call_tool' ? asked.tool.name : asked.action;
}

/** The context with everything unknown that is not settled, each under its own name. */
function opened(context: CedarRequest['context'], kind: Kind, known: Known): CedarRequest['context'] {
  return Object.fromEntries(
    Object.entries(context).map(([name, value]) => [name, known[name] ?? openedMember(name, value, kind)]),
  );
}

function openedMember(name: string, value: CedarValueJson, { principal, delegated }: Kind): CedarValueJson {
  if (name === 'caller') {
    return {
      subject: principal ?? unknown('caller.subject'),
      source: unknown('caller.source'),
      scopes: unknown('caller.scopes'),
      groups: unknown('caller.groups'),
      ...(delegated ? { on_behalf_of: unknown('caller.on_behalf_of') } : {}),
    };
  }
  return SETTLED.has(name) ? value : unknown(name);
}

/** What an agent's credential says may be anything. */
function openedAgent(entity: EntityJson): EntityJson {
  if (!('type' in entity.uid) || entity.uid.type !== 'Agent') return entity;
  const attrs = Object.keys(entity.attrs).map((name) => [name, unknown(`principal.${name}`)]);
  return { ...entity, attrs: Object.fromEntries(attrs) };
}

function groupsNamed({ policies }: Bundle): string[][] {
  const entities = policies.flatMap(({ json }) => entitiesIn(json));
  const names = [...new Set(entities.flatMap(({ type, id }) => (type === 'Group' ? [id] : [])))];
  if (names.length === 0) return [[]];
  const single = names.length > 1 && names.length <= MAX_GROUPS ? names.map((name) => [name]) : [];
  return [[], ...single, names];
}

function typedActions({ policies, schema }: Bundle): Map<string, ReadonlySet<string>> {
  return new Map(
    policies.flatMap(({ id, text }) => {
      const answer = getValidRequestEnvsPolicy(text, schema);
      if (answer.type === 'failure') return [];
      return [[id, new Set(answer.actions.map(idOf))]];
    }),
  );
}

/** `Action::"name"`, as Cedar prints it: tools have names of plain ASCII. */
function idOf(action: string): string {
  return action.slice('Action::"'.length, -1).replaceAll(/\\(["\\'])/g, '$1');
}

function unlike(name: string, taken: ReadonlySet<string>): string {
  return taken.has(name) ? unlike(`${name}'`, taken) : name;
}
