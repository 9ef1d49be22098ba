import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { GatewayChain } from './audit/gateway-chain.ts';
import type { Authority } from './authority.ts';
import type { Caller } from './caller.ts';
import { listPage } from './catalog/listing.ts';
import { GatewayError } from './errors.ts';
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
  const { blocks } = path.stop;
  const usable = (caller: Caller) => mayUse(authority(), path, caller);
  const schemaOf = (caller: Caller, name: string, which: 'inputSchema' | 'outputSchema'): JsonObject | null => {
    const tool = authority().catalog.resolve(name);
    if (tool === null || !usable(caller)(tool)) return null;
    const schema = member(tool.definition, which);
    return isObject(schema) ? schema : null;
  };
  return {
    openSession: async (caller) => {
      chain.count('initialized');
      try {
        return await path.sessions.openTransport(caller);
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'BLOCKED')
          await chain.enter('session.refused', caller, { error_code: error.code });
        throw error;
      }
    },
    request: (request) => serve(path, request),
    refuseMethod: (request) => refuseMethod(path, request),
    subscribe: (request) => subscriptions.subscribe(request),
    offer: (caller) => offerTo(authority(), path, caller),
    list: async (kind, caller, cursor) => {
      if (path.log.failure !== null) throw path.log.failure;
      chain.count('listed');
      return listPage(authority().catalog, kind, usable(caller), cursor);
    },
    inputSchema: (caller, name) => schemaOf(caller, name, 'inputSchema'),
    outputSchema: (caller, name) => schemaOf(caller, name, 'outputSchema'),
    isStopped: (caller) => blocks.stoppingAgent(caller) !== null,
    onStopped: (listener) => blocks.onBlocked(listener),
    onListChanged: (listener) => changes.listen(listener),
    endSession: async (session, reason) => {
      await path.sessions.closeTransport(session, reason);
    },
    count: (kind) => chain.count(kind),
    gatewayEvent: (action, caller, detail) => chain.enter(action, caller, detail),
  };
}
