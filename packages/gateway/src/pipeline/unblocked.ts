import type { JsonObject } from '@cmcp/evidence';
import { asciiName } from '../claim.ts';
import { GatewayError } from '../errors.ts';
import type { Target } from '../stop/blocks.ts';
import type { PathDeps } from './deps.ts';
import { type Plan, toolOf } from './plan.ts';
import type { CallRecord } from './record.ts';

/**
 * Nothing that is stopped goes on (G27, ASI-10): asked before and after what is asked for is known, once more before its first byte is
 * sent, and again before its answer is shown, since the block may have come meanwhile (D-49). Holds in every mode.
 *
 * @throws GatewayError BLOCKED
 */
export function requireUnblocked({ stop }: Pick<PathDeps, 'stop'>, record: CallRecord, plan: Plan | null): void {
  const block = stop.blocks.stopping(targetOf(record, plan));
  if (block === null) return;
  record.block = block;
  throw new GatewayError('BLOCKED', `${block.scope} ${block.name} is stopped by ${block.by}: ${block.reason}`);
}

/** The same for what is shown while a call goes on. */
export function isBlocked({ stop }: Pick<PathDeps, 'stop'>, record: CallRecord, plan: Plan): boolean {
  return stop.blocks.stopping(targetOf(record, plan)) !== null;
}

/** Says in the session's chain that it is stopped, before the entry of the first call that was refused for it. */
export async function recordBlock({ stopEntries }: PathDeps, { session, block }: CallRecord): Promise<void> {
  if (block !== null) await stopEntries.enter(session, block);
}

/** What a refused caller may know of it: how to name it to an operator. */
export function toldOfBlock({ block }: CallRecord): JsonObject {
  return block === null ? {} : { block_id: block.id };
}

function targetOf({ session }: CallRecord, plan: Plan | null): Target {
  const tool = plan === null ? null : toolOf(plan);
  return {
    agent: session.caller.subject,
    session: session.id,
    tool: tool === null ? null : asciiName(tool.name),
    server: plan === null ? null : plan.item.server.id,
  };
}
