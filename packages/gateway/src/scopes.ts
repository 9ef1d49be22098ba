import type { Caller } from './caller.ts';
import type { Catalog, CatalogPrompt, CatalogResource, CatalogTool, Labels } from './catalog/types.ts';
import type { Grant, ScopeTable } from './config/identity-scopes.ts';

export type ScopedItem = CatalogTool | CatalogResource | CatalogPrompt;

/**
 * What the scopes of a credential let be used (AUTHZ-07). They only narrow: policy decides what is left. A caller whose credential says
 * nothing of scopes is not narrowed, one with none of the table may use nothing.
 */
export class Scopes {
  readonly #table: ReadonlyMap<string, readonly Grant[]>;

  constructor(table: ScopeTable) {
    this.#table = new Map(Object.entries(table));
  }

  allow({ scopes }: Caller, item: Labels): boolean {
    return scopes === undefined || scopes.some((scope) => this.#grants(scope, item));
  }

  /** The scope that would do and lets as little else of the catalog be used as any; null: none of the table would. */
  needed({ tools, resources, prompts }: Catalog, item: Labels): string | null {
    const all = [...tools, ...resources, ...prompts];
    const reach = (scope: string): number => all.filter((each) => this.#grants(scope, each)).length;
    const candidates = [...this.#table.keys()].filter((scope) => this.#grants(scope, item));
    const [narrowest] = candidates.map((scope) => ({ scope, reach: reach(scope) })).sort((a, b) => a.reach - b.reach);
    return narrowest?.scope ?? null;
  }

  #grants(scope: string, item: Labels): boolean {
    return this.#table.get(scope)?.some((grant) => covers(grant, item)) ?? false;
  }
}

function covers(grant: Grant, item: Labels): boolean {
  switch (grant.kind) {
    case 'tools':
      return 'inputSchema' in item;
    case 'tools:read':
      return 'inputSchema' in item && 'effects' in item && item.effects === 'read';
    case 'resources':
      return 'pattern' in item;
    case 'prompts':
      return !('inputSchema' in item) && !('pattern' in item);
    case 'tool':
      return 'inputSchema' in item && item.name === grant.name;
    case 'server':
      return item.server.id === grant.id;
  }
}
