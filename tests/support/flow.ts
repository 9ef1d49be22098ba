import { randomBytes } from 'node:crypto';
import { type FlowDeps, FlowMemory } from '../../packages/gateway/src/session/flow/memory.ts';

/** A memory of flows that never thinks a turn is long. */
export function flowMemory(changes: Partial<FlowDeps> = {}): FlowMemory {
  return new FlowMemory({ random: (size) => randomBytes(size), monotonic: () => 0, soon: setImmediate, ...changes });
}
