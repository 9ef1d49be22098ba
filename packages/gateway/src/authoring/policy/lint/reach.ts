import { TOOL_GROUP } from '../../../policy/actions.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import type { Finding } from '../../finding.ts';
import { entitiesIn } from './expression.ts';
import { type Ground, liveCases, placeOf, rulesOf } from './ground.ts';
import { unknownNames } from './names.ts';
import { finding } from './rules.ts';
import type { Case } from './survey.ts';

/** Policies that decide nothing: those that no request can match, and those that others make superfluous. */
export function reachFindings(ground: Ground): Finding[] {
  const { policies } = ground.bundle;
  return policies.flatMap((policy, index) => {
    const live = liveCases(ground, policy.id);
    const failing = ground.survey.cases.some(({ answer }) => answer.fails.has(policy.id));
    if (live.length === 0) return failing ? [] : [unmatched(policy, ground)];
    const twin = policies.slice(0, index).find((other) => sameRule(other, policy));
    if (twin !== undefined) return [duplicate(policy, twin)];
    return [...overridden(policy, live, ground), ...shadowed(policy, live, ground)].slice(0, 1);
  });
}

function unmatched(policy: BundlePolicy, ground: Ground): Finding {
  const where = placeOf(policy);
  if (!ground.survey.cases.some((candidate) => aboutAction(policy, candidate))) {
    return finding(
      'idle',
      where,
      `${policy.id}: the catalog makes no request possible that this is about`,
      'nothing needs to change; it takes effect once the catalog approves something of the kind',
    );
  }
  const missing = unknownNames(policy, ground).map(({ said }) => `; ${said}`);
  const effect = policy.effect === 'forbid' ? 'forbids' : 'permits';
  return finding(
    'unreachable',
    where,
    `${policy.id}: no request that the catalog makes possible can match, so this ${effect} nothing${missing.join('')}`,
    'correct the names and values in it, or remove it',
  );
}

/** Whether the scope's action is that of the case: what is left of a policy when it is only asked what it is about. */
function aboutAction({ json: { action } }: BundlePolicy, { asked }: Case): boolean {
  if (action.op === 'All') return true;
  return entitiesIn(action).some(({ id }) =>
    asked.action === 'call_tool' ? id === TOOL_GROUP || id === asked.tool.name : id === asked.action,
  );
}

function overridden(policy: BundlePolicy, live: readonly Case[], ground: Ground): Finding[] {
  if (policy.effect !== 'permit') return [];
  const forbids = rulesOf(ground, 'forbid');
  const overriding = live.map(({ answer }) => forbids.find(({ id }) => answer.holds.has(id)));
  const [first] = overriding;
  if (first === undefined || overriding.includes(undefined)) return [];
  const ids = [...new Set(overriding.map((forbid) => forbid?.id))];
  return [
    finding(
      'overridden',
      placeOf(policy),
      `${policy.id}: everything that this permits is forbidden by ${ids.join(', ')} (${placeOf(first)})`,
      `remove it, or give ${first.id} a condition that lets it through`,
    ),
  ];
}

/** A forbid with advice of its own says something even where another forbids the same; so does a permit with annotations. */
function shadowed(policy: BundlePolicy, live: readonly Case[], ground: Ground): Finding[] {
  const { policies } = ground.bundle;
  if (Object.keys(policy.annotations).some((name) => name !== 'id')) return [];
  const covers = (id: string, cases: readonly Case[]) => cases.every(({ answer }) => answer.holds.has(id));
  const index = policies.indexOf(policy);
  const cover = policies.find((other, position) => {
    if (other === policy || other.effect !== policy.effect || !covers(other.id, live)) return false;
    // Of two that cover each other, the first stays.
    return position < index || !covers(policy.id, liveCases(ground, other.id));
  });
  if (cover === undefined) return [];
  const does = policy.effect === 'forbid' ? 'forbids' : 'permits';
  return [
    finding(
      'shadowed',
      placeOf(policy),
      `${policy.id}: ${cover.id} (${placeOf(cover)}) ${does} everything that this ${does}, whatever its conditions`,
      policy.effect === 'forbid' ? 'remove it' : `remove it, or narrow ${cover.id}, which makes its conditions void`,
    ),
  ];
}

function duplicate(policy: BundlePolicy, twin: BundlePolicy): Finding {
  return finding(
    'duplicate',
    placeOf(policy),
    `${policy.id}: the same rule as ${twin.id} (${placeOf(twin)})`,
    'keep one of them',
  );
}

function sameRule(a: BundlePolicy, b: BundlePolicy): boolean {
  const [one, other] = [a, b].map(({ json: { annotations: _, ...rule } }) => JSON.stringify(rule));
  // Cedar's JSON form rounds large numbers: rules that have some are the same only when their texts are.
  return one === other && (a.text === b.text || !/\d{16}/.test(a.text + b.text));
}
