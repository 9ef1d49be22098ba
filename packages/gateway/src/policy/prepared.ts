import {
  type AuthorizationAnswer,
  preparsePolicySet,
  preparseSchema,
  type Schema,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs';
import { NotEvaluable } from './cedar-value.ts';
import type { CedarRequest } from './request.ts';
import { refuseBundle } from './text.ts';

/** Policies and schema as Cedar keeps them. */
export interface Prepared {
  readonly policySetId: string;
  /** @throws NotEvaluable for what Cedar cannot read, and for everything once it is released */
  ask(request: CedarRequest): AuthorizationAnswer;
  /** Idempotent. */
  release(): void;
}

/** The one policy of a place that is free. No policy of a bundle can have this name. */
const FREE = 'free place';

/**
 * Hands policies, by their ids, and a schema to Cedar once. Cedar never forgets an id, so places are reused: released ones are
 * overwritten with next to nothing and taken again, and there are never more of them than are held at one time.
 *
 * @param schema requests are held against it; null: they are evaluated without one
 * @throws GatewayError POLICY_INVALID
 */
export function prepare(staticPolicies: Record<string, string>, schema: Schema | null): Prepared {
  const id = freePlace();
  if (schema !== null) succeed('schema.cedarschema', preparseSchema(id, schema));
  succeed('the policies', preparsePolicySet(id, { staticPolicies }));
  return new Place(id, schema !== null);
}

class Place implements Prepared {
  readonly policySetId: string;
  readonly #schema: { preparsedSchemaName?: string; validateRequest?: boolean };
  #released = false;

  constructor(id: string, hasSchema: boolean) {
    this.policySetId = id;
    this.#schema = hasSchema ? { preparsedSchemaName: id, validateRequest: true } : {};
  }

  ask(request: CedarRequest): AuthorizationAnswer {
    if (this.#released) throw new NotEvaluable('the policy engine is closed');
    try {
      return statefulIsAuthorized({ ...request, preparsedPolicySetId: this.policySetId, ...this.#schema });
    } catch (cause) {
      // Cedar's binding throws a plain Error for what it cannot read: one more way to say no.
      throw new NotEvaluable('Cedar could not read the request', { cause });
    }
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    preparsePolicySet(this.policySetId, { staticPolicies: { [FREE]: 'permit (principal, action, resource);' } });
    preparseSchema(this.policySetId, 'entity Agent;');
  }
}

/** Cedar's own cache says which places are taken: it is one per thread, and so needs no second bookkeeping here. */
function freePlace(): string {
  for (let index = 0; ; index += 1) {
    const id = `cmcp-${index}`;
    if (isFree(id)) return id;
  }
}

function isFree(id: string): boolean {
  const nobody = { type: 'Agent', id: 'nobody' };
  const answer = statefulIsAuthorized({
    principal: nobody,
    action: { type: 'Action', id: 'none' },
    resource: nobody,
    context: {},
    preparsedPolicySetId: id,
    entities: [],
  });
  // An empty request always reads: failure means that Cedar does not know the id.
  return answer.type === 'failure' || answer.response.diagnostics.reason.includes(FREE);
}

function succeed(what: string, answer: ReturnType<typeof preparsePolicySet>): void {
  if (answer.type === 'failure') throw refuseBundle(what, answer.errors.map(({ message }) => message).join('; '));
}
