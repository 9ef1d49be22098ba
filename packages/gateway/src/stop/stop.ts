import type { GatewayChain } from '../audit/gateway-chain.ts';
import type { AuditLog } from '../audit/types.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/types.ts';
import type { Monotonic } from '../session/freshness.ts';
import { Blocks, type Elsewhere } from './blocks.ts';
import { Limits } from './limits.ts';
import { StoredLimits } from './stored-limits.ts';
import { Thresholds } from './thresholds.ts';

export interface StopDeps {
  log: Pick<AuditLog, 'standing'>;
  config: Pick<Config, 'stop' | 'limits'>;
  chain: Pick<GatewayChain, 'enter'>;
  clock: Clock;
  monotonic: Monotonic;
  newId: () => string;
  unrecorded: (error: unknown) => void;
}

/** What stops calls without asking what they are: blocks, the thresholds that set them, and limits. */
export interface Stop {
  readonly blocks: Blocks;
  readonly thresholds: Thresholds;
  readonly limits: Limits;
  readonly storedLimits: StoredLimits;
}

/** @throws GatewayError STORE_INVALID: what is stopped is then not known */
export async function openStop(deps: StopDeps, elsewhere: Elsewhere): Promise<Stop> {
  const { log, config, monotonic } = deps;
  const blocks = await Blocks.open(log, elsewhere, deps);
  const thresholds = new Thresholds(config.stop, blocks, monotonic);
  const { rates } = config.limits;
  const limits = new Limits(rates, monotonic);
  const storedLimits = new StoredLimits(limits, rates, deps.clock);
  await storedLimits.restore(log);
  return { blocks, thresholds, limits, storedLimits };
}
