import { preparsePolicySet, preparseSchema, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import type { Bundle } from './bundle.ts';
import { refuseBundle } from './text.ts';

/** Policies and schema as Cedar keeps them. */
export interface Prepared {
  policySetId: string;
  /** Name of the prepared schema; null for compat bundles, which are evaluated without one. */
  schemaName: string | null;
  release(): void;
}

/** The one policy of a place that is free. Policies of bundles are named policy0, policy1, … */
const FREE = 'free';

/**
 * Hands policies and schema to Cedar once. Cedar never forgets an id, so ids are reused: released places are overwritten
 * with next to nothing and taken again, and there are never more of them than engines alive at one time.
 *
 * @throws GatewayError POLICY_INVALID
 */
export function prepare(bundle: Bundle): Prepared {
  const id = freeId();
  const staticPolicies = Object.fromEntries(bundle.policies.map(({ id: policyId, text }) => [policyId, text]));
  const native = bundle.request === 'native';
  if (native) succeed('schema.cedarschema', preparseSchema(id, bundle.schema));
  succeed('the policies', preparsePolicySet(id, { staticPolicies }));
  return { policySetId: id, schemaName: native ? id : null, release: () => release(id) };
}

function release(id: string): void {
  preparsePolicySet(id, { staticPolicies: { [FREE]: 'permit (principal, action, resource);' } });
  preparseSchema(id, 'entity Agent;');
}

/** Cedar's own cache says which ids are in use: it is one per thread, and so needs no second bookkeeping here. */
function freeId(): string {
  for (let index = 0; ; index += 1) {
    const id = `cmcp-${index}`;
    if (isFree(id)) return id;
  }
}

function isFree(id: string): boolean {
  const nobody = { type: 'Agent', id: FREE };
  const answer = statefulIsAuthorized({
    principal: nobody,
    action: { type: 'Action', id: FREE },
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
