import { isObject, type JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { Ask } from '../mcp/asks.ts';
import type { GovernedRequest } from '../mcp/types.ts';
import type { PathDeps } from './deps.ts';
import type { ParkedCall } from './parked.ts';

/** Answers for a server that kept nothing of the request before. */
export interface Returning {
  /** What the server wants back; null: nothing. */
  state: string | null;
  /** Only what was asked for. Anything else that came is not passed on. */
  answered: ReadonlyMap<string, { ask: Ask; answer: JsonObject }>;
}

/** How a request stands to those before it. */
export type Arrival =
  | { kind: 'new' }
  /** Its call is waiting for it. */
  | { kind: 'awaited'; call: ParkedCall }
  | { kind: 'returning'; returning: Returning }
  /** It brings a state that is not accepted. */
  | { kind: 'refused'; failure: GatewayError };

/**
 * Reads what a request brings back, once: a state is good for one retry. Answers without a state answer nothing that was asked:
 * they are left aside, and the server asks again.
 */
export function arrival(deps: PathDeps, request: GovernedRequest): Arrival {
  const { round } = request;
  if (request.method === 'tasks/update') return { kind: 'returning', returning: toTask(deps, request) };
  if (round === null || round.state === null) return { kind: 'new' };
  try {
    const continuation = deps.states.open(request, round.state);
    if (continuation.kind === 'parked')
      return { kind: 'awaited', call: deps.parked.find(continuation.id, request.caller) };
    const answered = pairs(round.responses, (key) => continuation.asks.get(key) ?? null);
    return { kind: 'returning', returning: { state: continuation.state, answered } };
  } catch (failure) {
    if (failure instanceof GatewayError) return { kind: 'refused', failure };
    throw failure;
  }
}

/** Answers to what a task waits for: only what its client was shown to be asked. */
function toTask(
  { tasks }: PathDeps,
  { taskId, responses }: Extract<GovernedRequest, { method: 'tasks/update' }>,
): Returning {
  return { state: null, answered: pairs(responses, (key) => tasks.asked(taskId, key)) };
}

function pairs(responses: JsonObject, asked: (key: string) => Ask | null): Returning['answered'] {
  return new Map(
    Object.entries(responses).flatMap(([key, answer]): [string, { ask: Ask; answer: JsonObject }][] => {
      const ask = asked(key);
      return ask !== null && isObject(answer) ? [[key, { ask, answer }]] : [];
    }),
  );
}
