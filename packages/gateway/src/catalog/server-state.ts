import type { ChangeKind } from '../mcp/types.ts';
import type { Upstream } from '../upstream/types.ts';
import type { Catalog, CatalogPrompt, CatalogServer, CatalogTool } from './types.ts';

/** One server, what is approved of it, and how far the comparison of the two has come. */
export interface ServerState {
  server: CatalogServer;
  upstream: Upstream;
  tools: CatalogTool[];
  prompts: CatalogPrompt[];
  /** Kinds that the catalog approves something of: announcements of others change nothing that agents see. */
  kinds: ReadonlySet<ChangeKind>;
  /** Announced, and not passed on yet. */
  pending: Set<ChangeKind>;
  /** Raised by each change notice, so that a list read before it does not count as read after it. */
  epoch: number;
  /** When the definitions that were compared last were asked for. */
  comparedMicros: number | null;
  checking: Promise<void> | null;
  /** Whether the next comparison is with every machine of the server: the first is, and each when time is up. */
  thorough: boolean;
  /** The one after it, for all who asked meanwhile for a comparison from then on. */
  next: Promise<void> | null;
}

/** Of a server that nothing was asked of yet. */
export function stateOf(catalog: Catalog, server: CatalogServer, upstream: Upstream): ServerState {
  const own = (item: { server: CatalogServer }): boolean => item.server.id === server.id;
  const approved = {
    tools: catalog.tools.filter(own),
    resources: catalog.resources.filter(own),
    prompts: catalog.prompts.filter(own),
  };
  const kinds = (['tools', 'resources', 'prompts'] as const).filter((kind) => approved[kind].length > 0);
  const { tools, prompts } = approved;
  const nothing = {
    pending: new Set<ChangeKind>(),
    epoch: 0,
    comparedMicros: null,
    checking: null,
    next: null,
    thorough: true,
  };
  return { server, upstream, tools, prompts, kinds: new Set(kinds), ...nothing };
}
