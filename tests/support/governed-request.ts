import { NO_ABILITIES } from '../../packages/gateway/src/mcp/asks.ts';
import type { ClientSide, GovernedRequest } from '../../packages/gateway/src/mcp/types.ts';

/** The client of a request that is asked by an interim answer, and wants to hear of nothing. */
export const away: ClientSide = {
  abilities: { ...NO_ABILITIES, elicitForm: true },
  ask: null,
  wantsProgress: false,
  logLevel: null,
  notify: () => {},
};

type Changes = Partial<Extract<GovernedRequest, { method: 'tools/call' }>> & { subject?: string };

/** A call of a tool, as the protocol rooms hand it over. */
export function toolCall({ subject = 'agent-a', ...changes }: Changes = {}): GovernedRequest {
  return {
    method: 'tools/call',
    name: 'transfer',
    arguments: { amount: 10 },
    caller: { subject, source: 'bearer' },
    session: null,
    handle: null,
    workflow: null,
    dataClass: null,
    approval: null,
    trace: {},
    signal: new AbortController().signal,
    client: away,
    round: null,
    ...changes,
  };
}
