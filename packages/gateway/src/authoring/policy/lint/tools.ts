import type { CatalogTool } from '../../../catalog/types.ts';
import { intentOf } from '../../../policy/intent.ts';
import type { Finding } from '../../finding.ts';
import { type Ground, liveCases, placeOf, placeOfTool, rulesOf, toolsIn } from './ground.ts';
import { finding } from './rules.ts';

/** Permits for everything, and tools that no rule is about. */
export function toolFindings(ground: Ground): Finding[] {
  const catchAll = new Set(intentOf(ground.bundle).unconditionalPermits);
  const open = rulesOf(ground, 'permit').filter(({ id }) => catchAll.has(id));
  const first = open[0];
  return [
    ...open.map((policy) =>
      finding(
        'unconditional-permit',
        placeOf(policy),
        `${policy.id}: permits every agent to call every tool, whatever the arguments`,
        'name agents or tools in the scope, or add a condition: when { … }',
      ),
    ),
    ...neverPermitted(ground),
    ...(first === undefined ? [] : onlyByCatchAll(ground, catchAll, placeOf(first))),
  ];
}

function neverPermitted(ground: Ground): Finding[] {
  const permitted = matchedBy(ground, (id) => rulesOf(ground, 'permit').some((permit) => permit.id === id));
  return ground.catalog.tools
    .filter((tool) => !permitted.has(tool))
    .map((tool) =>
      finding(
        'never-permitted',
        placeOfTool(ground, tool),
        `${tool.name}: no permit can match a call of it, so it is always denied`,
        'write a permit for it, or remove it from the catalog',
      ),
    );
}

function onlyByCatchAll(ground: Ground, catchAll: ReadonlySet<string>, where: string): Finding[] {
  const own = matchedBy(ground, (id) => !catchAll.has(id));
  const rest = ground.catalog.tools.filter((tool) => !own.has(tool)).map(({ name }) => name);
  if (rest.length === 0) return [];
  return [
    finding(
      'catch-all-only',
      where,
      `no other rule is about these tools: ${rest.sort().join(', ')}`,
      'write a rule for those that are more than harmless',
    ),
  ];
}

/** The tools for whose calls some of the wanted policies may hold. */
function matchedBy(ground: Ground, wanted: (id: string) => boolean): Set<CatalogTool> {
  const policies = ground.bundle.policies.filter(({ id }) => wanted(id));
  return new Set(policies.flatMap(({ id }) => toolsIn(liveCases(ground, id))));
}
