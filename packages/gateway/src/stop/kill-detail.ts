import type { JsonObject } from '@cmcp/evidence';
import type { Block } from './block.ts';

/**
 * What an entry says of something that was stopped: `reason` in the words by which every verifier knows a kill switch
 * (wire-formats section 7.1), and nobody else's words in that place.
 */
export function killDetail({ id, scope, name, reason, by, rule, windowSeconds }: Block, agent?: string): JsonObject {
  const said = rule === null ? { operator_reason: reason } : { rule, threshold: reason };
  const stopped = scope === 'agent' ? name : agent;
  return {
    reason: 'kill_switch_triggered',
    block_id: id,
    scope,
    name,
    by,
    ...said,
    ...(stopped === undefined ? {} : { agent_id: stopped }),
    ...(windowSeconds === null ? {} : { deny_rate_window_seconds: windowSeconds }),
  };
}
