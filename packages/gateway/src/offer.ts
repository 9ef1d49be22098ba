import type { Authority } from './authority.ts';
import type { Caller } from './caller.ts';
import type { LiveCatalog } from './catalog/live.ts';
import type { CatalogPrompt, CatalogResource, CatalogServer, CatalogTool } from './catalog/types.ts';
import type { Offer } from './mcp/types.ts';

type Item = CatalogTool | CatalogResource | CatalogPrompt;

/** Whether a caller could ever be allowed something: what it could not is not shown to it (LIFE-10). */
export function mayUse({ policy, manifests, catalog }: Authority, caller: Caller): (item: Item) => boolean {
  const isNamed = manifests.scopeOf(caller, catalog);
  return (item) => {
    if (!isNamed(item)) return false;
    if ('pattern' in item) return policy.couldAllow(caller, { action: 'read_resource', resource: item });
    if ('inputSchema' in item) return policy.couldAllow(caller, { action: 'call_tool', tool: item });
    return policy.couldAllow(caller, { action: 'get_prompt', prompt: item });
  };
}

/** What a caller is told at the start. Tools are what a gateway is for, so they are offered even while there are none. */
export function offerTo(authority: Authority, caller: Caller): Offer {
  const { catalog, live } = authority;
  const usable = mayUse(authority, caller);
  const resources = catalog.resources.filter(usable);
  const prompts = catalog.prompts.filter(usable);
  const templates = resources.some(({ pattern }) => pattern.kind === 'template');
  return {
    tools: true,
    resources: resources.length > 0,
    prompts: prompts.length > 0,
    completions: prompts.length > 0 || templates,
    instructions: instructionsOf(live, [...catalog.tools.filter(usable), ...resources, ...prompts]),
  };
}

/**
 * The approved instructions of every server that something is offered of; more than one go under their servers' names. A server
 * that states others by now is left out (MCP26-21).
 */
function instructionsOf(live: LiveCatalog, items: readonly Item[]): string | null {
  const servers = new Map<string, CatalogServer>();
  for (const { server } of items) {
    if (server.instructions !== null && !live.instructionsDrifted(server)) servers.set(server.id, server);
  }
  const [only, ...others] = servers.values();
  if (only === undefined) return null;
  if (others.length === 0) return only.instructions;
  const named = [...servers.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return named.map(({ displayName, instructions }) => `# ${displayName}\n\n${instructions}`).join('\n\n');
}
