import type { BundlePolicy } from '../../../policy/parse.ts';
import type { DecisionInput } from '../../../policy/types.ts';
import { askedText } from '../replay.ts';
import { notToApply, toApply } from './changes.ts';
import { expressionText } from './condition.ts';
import type { PlacedPolicy, Studied } from './study.ts';
import type { WeighedClause } from './weighed.ts';

/** Something that would have to be otherwise, for the sake of one policy or because none is there. */
export interface Step {
  policy: PlacedPolicy | null;
  /** Whether the policy would have to apply. */
  apply: boolean;
  /** Each of these; none where only the policy itself can be changed. */
  changes: string[];
  /** What would do instead of all of them. */
  alternatives: string[][];
}

/** Every forbid that applies or fails would have to let go, and some permit would have to apply. */
export function wayToAllow(studied: readonly Studied[], input: DecisionInput): Step[] {
  const relevant = studied.filter(({ aboutThis }) => aboutThis);
  const against = relevant.filter(({ placed, itself }) =>
    placed.effect === 'forbid' ? itself.truth !== 'false' : itself.truth === 'error',
  );
  const steps = against.map(({ placed, clauses }): Step => {
    // A permit that fails denies too; making it apply mends that and may be what allows.
    const apply = placed.effect === 'permit';
    return apply ? applying(placed, clauses) : lettingGo(placed, clauses);
  });
  const permits = relevant.filter(({ placed }) => placed.effect === 'permit');
  const permitted = permits.some(({ itself }) => itself.truth === 'true') || steps.some(({ apply }) => apply);
  return permitted ? steps : [...steps, permitStep(permits, studied, input)];
}

function applying(policy: PlacedPolicy, clauses: readonly WeighedClause[]): Step {
  return { policy, apply: true, changes: toApply(clauses), alternatives: [] };
}

function lettingGo(policy: PlacedPolicy, clauses: readonly WeighedClause[]): Step {
  const [changes = [], ...alternatives] = notToApply(clauses);
  return { policy, apply: false, changes, alternatives };
}

function permitStep(permits: readonly Studied[], studied: readonly Studied[], input: DecisionInput): Step {
  const ways = permits.map(({ placed, clauses }) => applying(placed, clauses));
  const [best] = ways.sort((a, b) => a.changes.length - b.changes.length);
  if (best !== undefined) return best;
  const near = studied.filter(({ placed, scope }) => placed.effect === 'permit' && misses(scope).length === 1);
  const hints = near.map(({ placed, scope, json }) => {
    const [part = 'principal'] = misses(scope);
    return `${placed.id} (${placed.place}) would be about it, but for its ${part}: ${scopeText(part, json)}`;
  });
  const { subject } = input.caller;
  return {
    policy: null,
    apply: true,
    changes: [`no permit is about ${askedText(input)} by ${subject}: add one`, ...hints],
    alternatives: [],
  };
}

function misses(scope: Studied['scope']): ('principal' | 'action' | 'resource')[] {
  return (['principal', 'action', 'resource'] as const).filter((part) => !scope[part]);
}

/** What a policy says in this part of its scope. */
function scopeText(part: 'principal' | 'action' | 'resource', json: BundlePolicy['json']): string {
  const constraint = json[part];
  const entities = 'entities' in constraint ? constraint.entities : 'entity' in constraint ? [constraint.entity] : [];
  const names = entities.map((entity) =>
    expressionText({ Value: { __entity: '__entity' in entity ? entity.__entity : entity } }),
  );
  const type = 'entity_type' in constraint ? constraint.entity_type : '';
  return [part, constraint.op, type, names.join(', ')].filter((word) => word !== '').join(' ');
}

/** The forbid that takes least to apply; and, apart from that, what would end every permit that applies. */
export function waysToDeny(relevant: readonly Studied[]): Step[][] {
  const forbids = relevant
    .filter(({ placed }) => placed.effect === 'forbid')
    .map(({ placed, clauses }) => applying(placed, clauses))
    .sort((a, b) => a.changes.length - b.changes.length);
  const permits = relevant
    .filter(({ placed, itself }) => placed.effect === 'permit' && itself.truth === 'true')
    .map(({ placed, clauses }) => lettingGo(placed, clauses));
  return [...forbids.slice(0, 1).map((step) => [step]), permits];
}
