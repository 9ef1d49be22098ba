import type { Catalog } from '../../../catalog/types.ts';
import { nearest } from '../../../config/nearest.ts';
import { ACTION_FORMS, TOOL_GROUP } from '../../../policy/actions.ts';
import type { BundlePolicy } from '../../../policy/parse.ts';
import { compatAction, resourceEntity } from '../../../policy/request-compat.ts';
import type { Finding } from '../../finding.ts';
import { entitiesIn } from './expression.ts';
import { type Ground, liveCases, placeOf } from './ground.ts';
import { finding } from './rules.ts';

interface UnknownName {
  said: string;
  fix: string;
}

/** Names of agents, servers, tools, resources and prompts in rules that still match something, though not these. */
export function nameFindings(ground: Ground): Finding[] {
  return ground.bundle.policies
    .filter(({ id }) => liveCases(ground, id).length > 0)
    .flatMap((policy) =>
      unknownNames(policy, ground).map(({ said, fix }) =>
        finding('unknown-name', placeOf(policy), `${policy.id}: ${said}`, fix),
      ),
    );
}

/** What a policy names and neither catalog nor configuration knows. */
export function unknownNames({ json }: BundlePolicy, ground: Ground): UnknownName[] {
  const known = ground.bundle.request === 'native' ? nativeNames(ground) : compatNames(ground.catalog);
  const { principal, action, resource, conditions } = json;
  const named = entitiesIn([principal, action, resource, conditions]);
  const missing = named.filter(({ type, id }) => known.get(type)?.includes(id) === false);
  const distinct = new Map(missing.map((entity) => [`${entity.type}::${JSON.stringify(entity.id)}`, entity]));
  return [...distinct].map(([said, { type, id }]) => {
    const names = known.get(type) ?? [];
    const guess =
      names.length === 0 ? 'remove it' : `remove it, or did you mean ${JSON.stringify(nearest(id, names))}?`;
    return { said: `there is no ${said} in the ${type === 'Agent' ? 'configuration' : 'catalog'}`, fix: guess };
  });
}

/** Names by type. A type that is not here has names that nobody can list. */
function nativeNames({ catalog, agents }: Ground): Map<string, string[]> {
  const tools = catalog.tools.map(({ name }) => name);
  return new Map([
    ['Agent', [...agents]],
    ['Action', [TOOL_GROUP, ...tools, ...ACTION_FORMS.flatMap(({ actions }) => actions)]],
    ['Resource', tools],
    ['McpResource', catalog.resources.map(({ name }) => name)],
    ['Prompt', catalog.prompts.map(({ name }) => name)],
    ['Server', catalog.servers.map(({ id }) => id)],
  ]);
}

function compatNames({ tools }: Catalog): Map<string, string[]> {
  const resources = tools.flatMap(({ name }) => resourceEntity(name) ?? []);
  return new Map([
    ['Agent', ['anonymous']],
    ['Action', tools.map(({ name }) => compatAction(name))],
    ...[...new Set(['Resource', ...resources.map(({ type }) => type)])].map((type): [string, string[]] => [
      type,
      resources.filter((resource) => resource.type === type).map(({ id }) => id),
    ]),
  ]);
}
