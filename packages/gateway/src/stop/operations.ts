import type { JsonObject } from '@cmcp/evidence';
import { formatTimestamp } from '../audit/timestamp.ts';
import type { Authority } from '../authority.ts';
import { asciiName } from '../claim.ts';
import type { Config } from '../config/types.ts';
import { GatewayError } from '../errors.ts';
import type { Operator } from '../operator/route.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Block, Scope } from './block.ts';
import type { Stop } from './stop.ts';

/** What operators may do about what is stopped, free of HTTP. */
export interface StopOperations {
  list(): JsonObject;
  /** `name`: null for everything. */
  block(by: Operator, scope: Scope, name: string | null, reason: string): Promise<JsonObject>;
  lift(by: Operator, id: string, reason: string): Promise<JsonObject>;
  limits(): JsonObject;
}

export interface StopOperationsDeps extends Stop {
  config: Pick<Config, 'agents' | 'stdioSubject'>;
  authority: () => Authority;
  sessions: Pick<Sessions, 'openNow'>;
}

/** Those that used most are shown. */
const SHOWN = 100;

export function stopOperations(deps: StopOperationsDeps): StopOperations {
  const { blocks, limits } = deps;
  return {
    list: () => ({ blocks: blocks.list.map(shown) }),
    async block(by, scope, name, reason) {
      if ((scope === 'all') !== (name === null))
        throw new GatewayError('INVALID_PARAMS', 'give the "name" of what is stopped, and none for all');
      const draft = { scope, name: name ?? '*', reason, rule: null, windowSeconds: null };
      const { block, entered } = blocks.set(draft, by);
      await entered;
      // A mistyped name stops nothing.
      return { ...shown(block), known: isKnown(deps, block) };
    },
    lift: async (by, id, reason) => shown(await blocks.lift(id, by, reason)),
    limits: () => ({
      limits: limits.present(SHOWN).map(({ rate: { per, calls, bytes, cost, windowMs, exceeded }, used }) => ({
        ...{ per, calls, bytes, cost, window_seconds: Math.ceil(windowMs / 1000), exceeded },
        used: used.map(({ key, amounts }) => ({ of: key, ...amounts })),
      })),
    }),
  };
}

function shown({ id, scope, name, reason, by, rule, sinceMicros }: Block): JsonObject {
  return { id, scope, name, reason, by, rule, since: formatTimestamp(sinceMicros) };
}

/** An agent that no credential of the configuration names may still be one: an issuer names others. */
function isKnown({ config, authority, sessions }: StopOperationsDeps, { scope, name }: Block): boolean {
  const { tools, servers } = authority().catalog;
  switch (scope) {
    case 'all':
      return true;
    case 'tool':
      return tools.some((tool) => asciiName(tool.name) === name);
    case 'server':
      return servers.some(({ id }) => id === name);
    case 'session':
      return sessions.openNow().some(({ id }) => id === name);
    case 'agent': {
      const open = sessions.openNow().map(({ caller }) => caller.subject);
      return [...config.agents.map(({ subject }) => subject), config.stdioSubject, ...open].includes(name);
    }
  }
}
