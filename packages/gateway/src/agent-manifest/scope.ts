import type { ManifestScope } from '@cmcp/evidence';
import type { CatalogResource, Labels } from '../catalog/types.ts';

/** Whether an item of the catalog is one that the issuer named. */
export type IntentScope = (item: Labels) => boolean;

export const UNSCOPED: IntentScope = () => true;
export const NOTHING: IntentScope = () => false;

/**
 * Intent as the names that were signed (AARM-R3): structural, it judges no purpose. A tool is named by its catalog name, a
 * resource by its URI or template, a prompt by its name. `whole`: the manifest binds the catalog as a whole, so that a list
 * without names restricts nothing; else what is not named was approved by nobody.
 */
export function intentScope({ tools, grants }: ManifestScope, whole: boolean): IntentScope {
  const ids = new Map(tools.map(({ id, name }) => [name ?? id, id]));
  const isListed = (name: string): boolean => (whole && tools.length === 0) || ids.has(name);
  const limits = grants.filter((granted) => granted.length > 0).map((granted) => new Set(granted));
  const isGranted = (name: string): boolean => limits.every((few) => few.has(name) || few.has(ids.get(name) ?? name));
  return (item) => isListed(nameOf(item)) && isGranted(nameOf(item));
}

/** A URI is the name of no tool, so that naming one kind of thing never names another. */
function nameOf(item: Labels): string {
  if (!isResource(item)) return item.name;
  const { pattern } = item;
  return pattern.kind === 'uri' ? pattern.uri : pattern.template.text;
}

function isResource(item: Labels): item is CatalogResource {
  return 'pattern' in item;
}
