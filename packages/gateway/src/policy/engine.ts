import type { AuthorizationAnswer, AuthorizationError } from '@cedar-policy/cedar-wasm/nodejs';
import type { Caller } from '../caller.ts';
import type { Catalog } from '../catalog/types.ts';
import { adviceIn, deniedAs, mergeAdvice } from './advice.ts';
import type { Bundle } from './bundle.ts';
import { NotEvaluable } from './cedar-value.ts';
import { CouldAllow } from './could-allow.ts';
import { escalated } from './escalations.ts';
import { Lifted } from './lifted.ts';
import type { BundlePolicy } from './parse.ts';
import { type Prepared, prepare } from './prepared.ts';
import { requireRedactable } from './redactable.ts';
import { distinct, type Redaction, redactionsOf } from './redaction.ts';
import type { CedarRequest, RequestBuilder } from './request.ts';
import { compatRequests } from './request-compat.ts';
import { nativeRequests } from './request-native.ts';
import { refuseForeignScopes } from './scope-compat.ts';
import { type Ranks, sensitivityRanks } from './sensitivity.ts';
import { Sliced } from './sliced.ts';
import type { Askable, Decision, DecisionInput, PolicyEngine } from './types.ts';

/**
 * A Cedar engine for what `catalog` approves, under the policies of `bundle`. `ranks`: the classes that there are.
 *
 * @throws GatewayError POLICY_INVALID when the bundle's schema and the catalog do not fit each other, or a redaction fits neither
 */
export function createEngine(bundle: Bundle, catalog: Catalog, ranks: Ranks = sensitivityRanks()): PolicyEngine {
  const native = bundle.request === 'native';
  if (!native) refuseForeignScopes(bundle.policies, catalog);
  requireRedactable(bundle.policies, catalog, ranks, bundle.request);
  const requests = native ? nativeRequests(bundle.schema, catalog) : compatRequests(catalog);
  return new CedarEngine(bundle, requests);
}

class CedarEngine implements PolicyEngine {
  readonly bundleHash: string;
  readonly version: string;
  readonly request: PolicyEngine['request'];
  readonly #requests: RequestBuilder;
  /** Annotations, redactions and place of each policy, by id. */
  readonly #policies: ReadonlyMap<string, KnownPolicy>;
  readonly #prepared: Pick<Prepared, 'ask' | 'release'>;
  readonly #couldAllow: CouldAllow;
  readonly #lifted: Lifted;

  constructor(bundle: Bundle, requests: RequestBuilder) {
    this.bundleHash = bundle.hash;
    this.version = bundle.version;
    this.request = bundle.request;
    this.#requests = requests;
    this.#policies = new Map(bundle.policies.map((policy, index) => [policy.id, known(policy, index)]));
    const policies = Object.fromEntries(bundle.policies.map(({ id, text }) => [id, text]));
    const whole = prepare(policies, bundle.request === 'native' ? bundle.schema : null);
    this.#prepared = new Sliced(whole, bundle.policies, requests);
    this.#couldAllow = new CouldAllow(bundle, requests);
    this.#lifted = new Lifted(bundle.policies, bundle.schema, requests);
  }

  decide(input: DecisionInput): Decision {
    try {
      const request = this.#requests.build(input);
      if (request === null) return denied(null);
      const approved = this.request === 'native' ? input.approval : undefined;
      const answer =
        approved === undefined ? this.#prepared.ask(request) : this.#lifted.ask(request, approved.policies);
      return this.#read(answer, request, input);
    } catch (error) {
      if (error instanceof NotEvaluable) return denied(error.message);
      throw error;
    }
  }

  couldAllow(caller: Caller, askable: Askable): boolean {
    return this.#couldAllow.ask(caller, askable);
  }

  close(): void {
    this.#prepared.release();
    this.#couldAllow.close();
    this.#lifted.release();
  }

  #read(answer: AuthorizationAnswer, request: CedarRequest, { response }: DecisionInput): Decision {
    if (answer.type === 'failure') return { ...denied(this.#requests.explain(request)), unfit: true };
    const { decision, diagnostics } = answer.response;
    const reasons = this.#inOrder(diagnostics.reason);
    if (diagnostics.errors.length > 0) {
      // D-13: Cedar skips a policy that errors. A forbid that was skipped forbids.
      const erring = diagnostics.errors.map(({ policyId }) => policyId);
      const policyIds = this.#inOrder([...erring, ...(decision === 'deny' ? reasons : [])]);
      return { ...denied(describe(diagnostics.errors)), policyIds };
    }
    if (decision === 'allow') return this.#allowed(reasons);
    const denying = reasons.map((id) => ({ id, annotations: this.#policies.get(id)?.annotations ?? {} }));
    const merged = mergeAdvice(denying.map(({ annotations }) => annotations));
    const plain = { ...denied(null), policyIds: reasons, advice: adviceIn(merged, this.request) };
    // What was already fetched cannot be approved afterwards: egress denials are plain (wire-formats section 5).
    if (response !== undefined) return plain;
    return this.request === 'native' ? { ...plain, ...escalated(denying) } : { ...plain, effect: deniedAs(merged) };
  }

  /** No permit lifts what another asks to be removed: a broad one would otherwise undo each narrow one, unnoticed. */
  #allowed(policyIds: string[]): Decision {
    const redactions = distinct(policyIds.flatMap((id) => this.#policies.get(id)?.redactions ?? []));
    if (redactions.length === 0) return { ...denied(null), effect: 'allow', policyIds };
    return { ...denied(null), effect: 'redact', policyIds, redactions };
  }

  /** Without repetition, in the order of the bundle: Cedar answers in the order of a hash set. */
  #inOrder(ids: readonly string[]): string[] {
    const index = (id: string): number => this.#policies.get(id)?.index ?? -1;
    return [...new Set(ids)].sort((a, b) => index(a) - index(b));
  }
}

interface KnownPolicy {
  index: number;
  annotations: Record<string, string>;
  redactions: readonly Redaction[];
}

function known(policy: BundlePolicy, index: number): KnownPolicy {
  return { index, annotations: policy.annotations, redactions: redactionsOf(policy) };
}

/** A denial that no policy determines. */
export function denied(error: string | null): Decision {
  return { effect: 'deny', policyIds: [], advice: {}, redactions: [], escalations: [], error, unfit: false };
}

/**
 * Which policies failed and how. Cedar's own words may quote values of the request, and these texts are entered in the audit
 * log (architecture rule 7): only what is known to name types and attributes is passed on.
 */
function describe(errors: readonly AuthorizationError[]): string {
  return errors
    .map(({ policyId, error: { message } }) => `${policyId}: ${withoutValues(message)}`)
    .sort()
    .join('; ');
}

function withoutValues(message: string): string {
  if (/^type error: expected [a-z_ ()`,]+, got [a-z_ ()`,]+$/.test(message)) return message;
  const [, attribute] = /does not have the attribute `([A-Za-z0-9_]+)`/.exec(message) ?? [];
  if (attribute !== undefined) return `there is no attribute ${attribute}`;
  return message.startsWith('integer overflow') ? 'integer overflow' : 'evaluation error';
}
