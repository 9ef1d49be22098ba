import type { DraftResource, ParsedCatalog } from './draft.ts';
import type { Place } from './fields.ts';
import { exposedNames, findCollision, type Named } from './names.ts';
import { ApprovedResources } from './resources.ts';
import type { Catalog, CatalogPrompt, CatalogTool } from './types.ts';
import { uriKey } from './uri.ts';

/** Refuses names that could be taken for one another, then names tools and prompts for clients and indexes everything. */
export function assemble({ form, hash, servers, tools, resources, prompts }: ParsedCatalog): Catalog {
  const shownTools: CatalogTool[] = exposed(tools, 'tool');
  const shownPrompts: CatalogPrompt[] = exposed(prompts, 'prompt');
  refuseCollision(resources.map(unaliased), resources, 'resource');
  refuseSharedUris(resources);
  const approved = resources
    .map(({ place: _place, ...resource }) => resource)
    .sort((a, b) => (patternText(a) < patternText(b) ? -1 : 1));
  const toolIndex = indexOf(shownTools, form);
  const promptIndex = new Map(shownPrompts.map((prompt) => [prompt.exposedName, prompt]));
  const resourceIndex = new ApprovedResources(approved);
  return {
    form,
    hash,
    servers,
    tools: shownTools,
    resources: approved,
    prompts: shownPrompts,
    resolve: (name) => toolIndex.get(name) ?? null,
    resolveResource: (uri) => resourceIndex.approving(uri),
    resolvePrompt: (name) => promptIndex.get(name) ?? null,
  };
}

type Placed<T> = T & Named & { place: Place };

/** Sorted by the names that agents see. */
function exposed<T>(
  drafts: readonly Placed<T>[],
  kind: string,
): (Omit<Placed<T>, 'alias' | 'serverLabel' | 'place'> & { exposedName: string })[] {
  refuseCollision(drafts, drafts, kind);
  const names = exposedNames(drafts);
  refuseCollision(
    names.map((name) => unaliased({ name })),
    drafts,
    kind,
  );
  return drafts
    .map(({ alias: _alias, serverLabel: _label, place: _place, ...item }, index) => {
      return { ...item, exposedName: names[index] ?? '' };
    })
    .sort((a, b) => (a.exposedName < b.exposedName ? -1 : 1));
}

function indexOf(tools: readonly CatalogTool[], form: Catalog['form']): Map<string, CatalogTool> {
  // Agents of the reference call tools by the catalog's name.
  const byName = form === 'reference' ? tools.map((tool): [string, CatalogTool] => [tool.name, tool]) : [];
  return new Map([...byName, ...tools.map((tool): [string, CatalogTool] => [tool.exposedName, tool])]);
}

function unaliased({ name }: { name: string }): Named {
  return { name, alias: null, serverLabel: '' };
}

/** G17, ATK-04: names equal, equal but for case, or equal to the eye never load, so none can shadow another. */
function refuseCollision(names: readonly Named[], drafts: readonly { place: Place }[], kind: string): void {
  const found = findCollision(names);
  const draft = found === null ? undefined : drafts[found.index];
  if (found === null || draft === undefined) return;
  const keep = kind === 'resource' ? '' : ' and keep its own name as "upstream_name"';
  throw draft.place.refuse(
    `the ${kind} name "${found.name}" collides with "${found.other}": equal names, or names that look alike, could be ` +
      `taken for one another; rename one${keep}`,
  );
}

/** A URI leads to one server: two entries for it, however spelled, would leave open which (LIFE-07). */
function refuseSharedUris(resources: readonly DraftResource[]): void {
  const taken = new Map<string, DraftResource>();
  for (const resource of resources) {
    const key = patternKey(resource);
    const other = taken.get(key);
    if (other !== undefined) {
      throw resource.place.refuse(
        `"${patternText(resource)}" is approved by "${other.name}" of server "${other.server.id}" too, and would lead to ` +
          'both; keep the record of the server that is meant',
      );
    }
    taken.set(key, resource);
  }
}

/** The same for two patterns that stand for the same URIs. */
export function patternKey({ pattern }: Pick<DraftResource, 'pattern'>): string {
  return pattern.kind === 'uri' ? `uri ${uriKey(pattern.uri)}` : `template ${uriKey(pattern.template.shape)}`;
}

function patternText({ pattern }: Pick<DraftResource, 'pattern'>): string {
  return pattern.kind === 'uri' ? pattern.uri : pattern.template.text;
}
