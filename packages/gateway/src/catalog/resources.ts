import type { Catalog, CatalogResource, CatalogServer } from './types.ts';

/** Which entry approves a URI: the one that names it, before any pattern. */
export class ApprovedResources {
  readonly #named = new Map<string, CatalogResource>();
  readonly #patterns: CatalogResource[];

  constructor(resources: readonly CatalogResource[]) {
    for (const resource of resources) {
      if (resource.pattern.kind === 'uri') this.#named.set(resource.pattern.uri, resource);
    }
    this.#patterns = resources.filter(({ pattern }) => pattern.kind === 'template');
  }

  approving(uri: string): CatalogResource | null {
    return this.#named.get(uri) ?? mostSpecific(this.#patterns, uri);
  }
}

/**
 * The entry of that very server that approves a URI named in one of its answers: a server speaks for nobody else, so what it
 * links to or embeds under another server's URI is approved by none (ATK-04).
 */
export function linkedResource(catalog: Catalog, server: CatalogServer, uri: string): CatalogResource | null {
  const own = catalog.resources.filter((resource) => resource.server.id === server.id);
  return own.find(({ pattern }) => pattern.kind === 'uri' && pattern.uri === uri) ?? mostSpecific(own, uri);
}

/** Of the patterns that match, the one that leaves least open. Null where that is not clear: no server is ever guessed. */
function mostSpecific(resources: readonly CatalogResource[], uri: string): CatalogResource | null {
  let [best, tied]: [CatalogResource | null, boolean] = [null, false];
  for (const resource of resources) {
    if (resource.pattern.kind !== 'template' || !resource.pattern.template.matches(uri)) continue;
    if (best !== null && best.server.id !== resource.server.id) return null;
    const more = literals(resource) - (best === null ? -1 : literals(best));
    if (more === 0) tied = true;
    if (more > 0) [best, tied] = [resource, false];
  }
  return tied ? null : best;
}

function literals({ pattern }: CatalogResource): number {
  return pattern.kind === 'template' ? pattern.template.literals : 0;
}
