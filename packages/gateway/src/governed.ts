import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { GatewayChain } from './audit/gateway-chain.ts';
import type { Authority } from './authority.ts';
import type { Caller } from './caller.ts';
import { toolPage } from './catalog/listing.ts';
import type { GovernedGateway } from './mcp/types.ts';
import type { PathDeps } from './pipeline/deps.ts';
import { callTool, refuseMethod } from './pipeline.ts';

/** What the protocol rooms see of the gateway. All governed requests go down the one path of pipeline.ts. */
export function governedGateway(path: PathDeps, authority: () => Authority, chain: GatewayChain): GovernedGateway {
  return {
    openSession: (caller) => {
      chain.count('initialized');
      return path.sessions.openTransport(caller);
    },
    callTool: (request) => callTool(path, request),
    refuseMethod: (request) => refuseMethod(path, request),
    listTools: async (_caller, cursor) => {
      if (path.log.failure !== null) throw path.log.failure;
      chain.count('listed');
      return toolPage(authority().catalog, cursor);
    },
    inputSchema: (_caller: Caller, name: string): JsonObject | null => {
      const definition = authority().catalog.resolve(name)?.definition;
      const schema = definition === undefined ? undefined : member(definition, 'inputSchema');
      return isObject(schema) ? schema : null;
    },
    endSession: async (session, reason) => {
      await path.sessions.closeTransport(session, reason);
    },
    count: (kind) => chain.count(kind),
    gatewayEvent: (action, caller, detail) => chain.enter(action, caller, detail),
  };
}
