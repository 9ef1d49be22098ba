import type { Authority } from './authority.ts';
import type { Caller } from './caller.ts';
import type { LiveCatalog } from './catalog/live.ts';
import type { CatalogServer } from './catalog/types.ts';
import { asciiName } from './claim.ts';
import type { Offer } from './mcp/types.ts';
import type { ScopedItem as Item, Scopes } from './scopes.ts';
import type { Stop } from './stop/stop.ts';

/** What keeps a caller from things before any policy is asked: what is stopped now, and what its credential is for. */
export interface Bounds {
  stop: { blocks: Pick<Stop['blocks'], 'stopping'> };
  scopes: Scopes;
}

/**
 * Whether a caller could ever be allowed something, with the credential and the manifest that it has: what it could not, or what is stopped,
 * is not shown to it (LIFE-10).
 */
export function mayUse(
  { policy, manifests, catalog }: Authority,
  bounds: Bounds,
  caller: Caller,
): (item: Item) => boolean {
  const isNamed = manifests.scopeOf(caller, catalog);
  return (item) => {
    const tool = 'inputSchema' in item ? asciiName(item.name) : null;
    const target = { agent: caller.subject, session: null, tool, server: item.server.id };
    if (bounds.stop.blocks.stopping(target) !== null || !bounds.scopes.allow(caller, item) || !isNamed(item))
      return false;
    if ('pattern' in item) return policy.couldAllow(caller, { action: 'read_resource', resource: item });
    if ('inputSchema' in item) return policy.couldAllow(caller, { action: 'call_tool', tool: item });
    return policy.couldAllow(caller, { action: 'get_prompt', prompt: item });
  };
}

/** What a caller is told at the start. Tools are what a gateway is for, so they are offered even while there are none. */
export function offerTo(authority: Authority, bounds: Bounds, caller: Caller): Offer {
  const { catalog, live } = authority;
  const usable = mayUse(authority, bounds, caller);
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
