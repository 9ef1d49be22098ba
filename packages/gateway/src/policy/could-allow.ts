import { type Schema, schemaToJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Caller } from '../caller.ts';
import type { Bundle } from './bundle.ts';
import { NotEvaluable } from './cedar-value.ts';
import { clausesOf } from './clauses.ts';
import { escalationOf } from './escalations.ts';
import { readSchema } from './native-schema.ts';
import type { BundlePolicy } from './parse.ts';
import { type Prepared, prepare } from './prepared.ts';
import type { RequestBuilder } from './request.ts';
import type { Askable } from './types.ts';

/** Answers are exact for as long as the policies are the same, so forgetting them costs time only. */
const MAX_REMEMBERED = 100_000;

/**
 * What a bundle allows in some context at least. Cedar is asked with an empty context, and with policies that cannot tell:
 * permits lose the conditions that look at the context, forbids with such a condition are left out. Whatever a request is
 * allowed by, then permits this too, and whatever forbids here, forbids every request.
 */
export class CouldAllow {
  readonly #prepared: Prepared;
  readonly #requests: RequestBuilder;
  /** Ids of permits that lost conditions. */
  readonly #loosened: ReadonlySet<string>;
  readonly #remembered = new Map<string, boolean>();
  readonly #maxRemembered: number;

  /** @throws GatewayError POLICY_INVALID */
  constructor(bundle: Bundle, requests: RequestBuilder, maxRemembered: number = MAX_REMEMBERED) {
    const native = bundle.request === 'native';
    // What may be approved may be allowed.
    const { policies, loosened } = withoutContext(
      bundle.policies.filter((policy) => !native || policy.effect === 'permit' || escalationOf(policy) === null),
    );
    this.#prepared = prepare(policies, native ? schemaWithoutContexts(bundle.schema) : null);
    this.#requests = requests;
    this.#loosened = loosened;
    this.#maxRemembered = maxRemembered;
  }

  ask(caller: Caller, asked: Askable): boolean {
    const key = JSON.stringify([this.#requests.principalKey(caller), asked.action, nameOf(asked)]);
    const known = this.#remembered.get(key);
    if (known !== undefined) return known;
    if (this.#remembered.size >= this.#maxRemembered) this.#remembered.clear();
    const answer = this.#evaluate(caller, asked);
    this.#remembered.set(key, answer);
    return answer;
  }

  close(): void {
    this.#remembered.clear();
    this.#prepared.release();
  }

  #evaluate(caller: Caller, asked: Askable): boolean {
    try {
      const scope = this.#requests.scope(caller, asked);
      if (scope === null) return false;
      const answer = this.#prepared.ask({ ...scope, context: {} });
      if (answer.type === 'failure') return false;
      const { decision, diagnostics } = answer.response;
      // An error denies every request (D-13), unless it stands behind a condition that was taken away here.
      return decision === 'allow' && diagnostics.errors.every(({ policyId }) => this.#loosened.has(policyId));
    } catch (error) {
      // What cannot be put to Cedar without a context, cannot with one.
      if (error instanceof NotEvaluable) return false;
      throw error;
    }
  }
}

function nameOf(asked: Askable): string {
  if (asked.action === 'call_tool') return asked.tool.name;
  return asked.action === 'get_prompt' ? asked.prompt.name : asked.resource.name;
}

function withoutContext(policies: readonly BundlePolicy[]): {
  policies: Record<string, string>;
  loosened: Set<string>;
} {
  const kept: Record<string, string> = {};
  const loosened = new Set<string>();
  for (const { id, text, effect } of policies) {
    const { head, clauses } = clausesOf(text);
    if (!clauses.some(({ readsContext }) => readsContext)) {
      kept[id] = text;
    } else if (effect === 'permit') {
      const open = clauses.filter(({ readsContext }) => !readsContext);
      kept[id] = `${head}${open.map((clause) => clause.text).join('')};`;
      loosened.add(id);
    }
  }
  return { policies: kept, loosened };
}

/** The same types and actions, with an empty context for each action. */
function schemaWithoutContexts(text: string): Schema {
  const schema = readSchema(schemaToJson(text));
  for (const { actions } of Object.values(schema)) {
    for (const { appliesTo } of Object.values(actions)) delete appliesTo?.context;
  }
  return schema;
}
