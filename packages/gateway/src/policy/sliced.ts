import type { AuthorizationAnswer, EntityJson, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { contextReads, onlyRead, type Reads } from './context-reads.ts';
import type { BundlePolicy } from './parse.ts';
import { type Prepared, prepare } from './prepared.ts';
import { type CedarRequest, principalIn, type RequestBuilder } from './request.ts';
import { admits, scopeOfRequest } from './scope-match.ts';

/** Sets of policies that are kept ready. More would cost memory; what is not ready is asked of all policies. */
const MAX_SLICES = 256;
const MAX_SCOPES = 10_000;
const MAX_ANSWERS = 10_000;
/** Characters of a request whose answer is kept. */
const MAX_KEPT = 4096;

/** Policies that can match a request by their scopes, ready to be asked; null: there are none. */
interface Slice {
  prepared: Prepared | null;
  reads: Reads | null;
  /** Actions that conditions name. */
  actions: readonly string[];
}

const NO_POLICY: AuthorizationAnswer = {
  type: 'success',
  response: { decision: 'deny', diagnostics: { reason: [], errors: [] } },
  warnings: [],
};

/**
 * Asks Cedar about the policies alone that can match by their scopes, with the part of the context alone that they read, and remembers its
 * answers under exactly that (architecture section 5). Decision, reasons and errors are those of the whole bundle: whatever is left
 * out can have no part in them. Where that is not certain, the whole bundle is asked.
 */
export class Sliced implements Pick<Prepared, 'ask' | 'release'> {
  readonly #whole: Prepared;
  readonly #policies: readonly BundlePolicy[];
  readonly #requests: Pick<RequestBuilder, 'fits' | 'groupsOf'>;
  readonly #slices = new Map<string, Slice>();
  readonly #byScope = new Map<string, Slice>();
  readonly #answers = new Map<string, AuthorizationAnswer>();
  #released = false;

  constructor(whole: Prepared, policies: readonly BundlePolicy[], requests: Pick<RequestBuilder, 'fits' | 'groupsOf'>) {
    this.#whole = whole;
    this.#policies = policies;
    this.#requests = requests;
  }

  ask(request: CedarRequest): AuthorizationAnswer {
    // What does not fit the schema is refused by Cedar, not here.
    if (this.#released || !this.#requests.fits(request)) return this.#whole.ask(request);
    const { attrs, parents } = principalIn(request);
    const scope = JSON.stringify([request.principal, parents, request.action, request.resource]);
    const slice = this.#sliceOf(scope, request);
    if (slice === null) return this.#whole.ask(request);
    if (slice.prepared === null) return NO_POLICY;
    const context = onlyRead(request.context, slice.reads);
    const key = `${scope}${JSON.stringify([attrs, context])}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const entities = [...request.entities, ...this.#actionsOf(request, slice)];
    const answer = slice.prepared.ask({ ...request, context, entities });
    if (key.length <= MAX_KEPT) remember(this.#answers, MAX_ANSWERS, key, answer);
    return answer;
  }

  release(): void {
    this.#released = true;
    for (const { prepared } of this.#slices.values()) prepared?.release();
    this.#slices.clear();
    this.#byScope.clear();
    this.#answers.clear();
    this.#whole.release();
  }

  /** Without a schema, Cedar learns from here what each action that matters is in. */
  #actionsOf({ action }: CedarRequest, { actions }: Slice): EntityJson[] {
    return [...new Set([action.id, ...actions])].map((id) => {
      const parents = this.#requests.groupsOf(id).map((group) => ({ type: action.type, id: group }));
      return { uid: { type: action.type, id }, attrs: {}, parents };
    });
  }

  #sliceOf(scope: string, request: CedarRequest): Slice | null {
    const known = this.#byScope.get(scope);
    if (known !== undefined) return known;
    const seen = scopeOfRequest(request, this.#requests.groupsOf(request.action.id));
    const policies = this.#policies.filter(({ json }) => admits(json, seen));
    const name = JSON.stringify(policies.map(({ id }) => id));
    const slice = this.#slices.get(name) ?? this.#prepared(name, policies);
    if (slice !== null) remember(this.#byScope, MAX_SCOPES, scope, slice);
    return slice;
  }

  #prepared(name: string, policies: readonly BundlePolicy[]): Slice | null {
    if (this.#slices.size >= MAX_SLICES) return null;
    const texts = Object.fromEntries(policies.map(({ id, text }) => [id, text]));
    const conditions = policies.map(({ json }) => json);
    const slice: Slice = {
      prepared: policies.length === 0 ? null : prepare(texts, null),
      reads: contextReads(conditions),
      actions: actionsNamed(conditions),
    };
    this.#slices.set(name, slice);
    return slice;
  }
}

/** Ids of the actions that stand in conditions. */
function actionsNamed(policies: readonly Pick<PolicyJson, 'conditions'>[]): string[] {
  const found = new Set<string>();
  const waiting: unknown[] = policies.map(({ conditions }) => conditions);
  for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
    if (typeof each !== 'object' || each === null) continue;
    if ('__entity' in each) waiting.push(each.__entity);
    else if ('type' in each && 'id' in each && each.type === 'Action') found.add(String(each.id));
    else waiting.push(...Object.values(each));
  }
  return [...found];
}

/** Answers stay true for as long as the policies are the same, so forgetting costs time only. */
function remember<T>(map: Map<string, T>, max: number, key: string, value: T): void {
  if (map.size >= max) map.clear();
  map.set(key, value);
}
