import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { GatewayChain } from './audit/gateway-chain.ts';
import type { Authority } from './authority.ts';
import type { Caller } from './caller.ts';
import { listPage } from './catalog/listing.ts';
import type { ListChanges } from './list-changes.ts';
import type { GovernedGateway } from './mcp/types.ts';
import { mayUse, offerTo } from './offer.ts';
import type { PathDeps } from './pipeline/deps.ts';
import type { Subscriptions } from './pipeline/subscriptions.ts';
import { refuseMethod, serve } from './pipeline.ts';

interface GovernedDeps {
  path: PathDeps;
  /** What is in force now. */
  authority: () => Authority;
  chain: GatewayChain;
  changes: ListChanges;
  subscriptions: Subscriptions;
}

/** What the protocol rooms see of the gateway. All governed requests go down the one path of pipeline.ts. */
export function governedGateway({ path, authority, chain, changes, subscriptions }: GovernedDeps): GovernedGateway {
  const usable = (caller: Caller) => mayUse(authority(), path.scopes, caller);
  const schemaOf = (caller: Caller, name: string, which: 'inputSchema' | 'outputSchema'): JsonObject | null => {
    const tool = authority().catalog.resolve(name);
    if (tool === null || !usable(caller)(tool)) return null;
    const schema = member(tool.definition, which);
    return isObject(schema) ? schema : null;
  };
  return {
    openSession: (caller) => {
      chain.count('initialized');
      return path.sessions.openTransport(caller);
    },
    request: (request) => serve(path, request),
    refuseMethod: (request) => refuseMethod(path, request),
    subscribe: (request) => subscriptions.subscribe(request),
    offer: (caller) => offerTo(authority(), path.scopes, caller),
    list: async (kind, caller, cursor) => {
      if (path.log.failure !== null) throw path.log.failure;
      chain.count('listed');
      return listPage(authority().catalog, kind, usable(caller), cursor);
    },
    inputSchema: (caller, name) => schemaOf(caller, name, 'inputSchema'),
    outputSchema: (caller, name) => schemaOf(caller, name, 'outputSchema'),
    onListChanged: (listener) => changes.listen(listener),
    endSession: async (session, reason) => {
      await path.sessions.closeTransport(session, reason);
    },
    count: (kind) => chain.count(kind),
    gatewayEvent: (action, caller, detail) => chain.enter(action, caller, detail),
  };
}
