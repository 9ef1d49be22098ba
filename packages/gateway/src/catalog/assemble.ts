import type { Place } from './fields.ts';
import { exposedNames, findCollision, type Named } from './names.ts';
import type { Catalog, CatalogServer, CatalogTool } from './types.ts';

/** A tool as read from a file, before its exposed name is known. */
export type DraftTool = Omit<CatalogTool, 'exposedName'> & Named & { place: Place };

/** What each form's reader hands over. */
export interface ParsedCatalog {
  form: Catalog['form'];
  hash: string;
  servers: CatalogServer[];
  tools: DraftTool[];
}

/** Refuses names that could be taken for one another, then names the tools for clients and indexes them. */
export function assemble(parsed: ParsedCatalog): Catalog {
  refuseCollision(parsed.tools, parsed.tools);
  const exposed = exposedNames(parsed.tools);
  const shown = exposed.map((name): Named => ({ name, alias: null, serverLabel: '' }));
  refuseCollision(shown, parsed.tools);
  const tools = parsed.tools
    .map(({ alias: _alias, serverLabel: _label, place: _place, ...tool }, index): CatalogTool => {
      return { ...tool, exposedName: exposed[index] ?? '' };
    })
    .sort((a, b) => (a.exposedName < b.exposedName ? -1 : 1));
  const index = indexOf(tools, parsed.form);
  const { form, hash, servers } = parsed;
  return { form, hash, servers, tools, resolve: (name) => index.get(name) ?? null };
}

function indexOf(tools: readonly CatalogTool[], form: Catalog['form']): Map<string, CatalogTool> {
  // Agents of the reference call tools by the catalog's name.
  const byName = form === 'reference' ? tools.map((tool): [string, CatalogTool] => [tool.name, tool]) : [];
  return new Map([...byName, ...tools.map((tool): [string, CatalogTool] => [tool.exposedName, tool])]);
}

/** G17, ATK-04: names equal, equal but for case, or equal to the eye never load, so none can shadow another. */
function refuseCollision(names: readonly Named[], tools: readonly DraftTool[]): void {
  const found = findCollision(names);
  const tool = found === null ? undefined : tools[found.index];
  if (found === null || tool === undefined) return;
  throw tool.place.refuse(
    `the tool name "${found.name}" collides with "${found.other}": equal names, or names that look alike, could be taken ` +
      'for one another; rename one and keep its own name as "upstream_name"',
  );
}
