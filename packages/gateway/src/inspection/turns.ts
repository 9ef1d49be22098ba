import { GatewayError } from '../errors.ts';

/** How long work takes, and how others get their turn; passed in. */
export interface Turns {
  /** Milliseconds on a clock that never goes back. */
  nowMs(): number;
  /** Resolves once the event loop has gone round. */
  turn(): Promise<void>;
}

/** The machine's. */
export const systemTurns: Turns = {
  nowMs: () => performance.now(),
  turn: () => new Promise((resolve) => setImmediate(resolve)),
};

/** What one piece of work may hold the event loop for, in milliseconds. */
const TURN_MS = 3;

/**
 * Runs what stops now and then: at once where it is short, else with turns of the event loop in between. Time that others take is not
 * counted.
 *
 * @throws GatewayError INSPECTION_FAILED when it takes longer than its budget, or fails
 */
export async function inTurns<T>(work: Generator<void, T>, budgetMs: number, { nowMs, turn }: Turns): Promise<T> {
  let used = 0;
  for (let began = nowMs(); ; ) {
    const step = stepOf(work);
    const took = nowMs() - began;
    if (used + took > budgetMs) throw new GatewayError('INSPECTION_FAILED', `inspection took more than ${budgetMs} ms`);
    if (step.done === true) return step.value;
    if (took < TURN_MS) continue;
    used += took;
    await turn();
    began = nowMs();
  }
}

/** A stage that fails has seen nothing, whatever made it fail. */
function stepOf<T>(work: Generator<void, T>): IteratorResult<void, T> {
  try {
    return work.next();
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const why = error instanceof Error ? error.message : 'unknown';
    throw new GatewayError('INSPECTION_FAILED', `a stage of inspection failed: ${why}`, { cause: error });
  }
}
