import type { Decision, DecisionInput, PolicyEngine } from './types.ts';

/** The same engine; `saw` is told of each decision after it was made, and cannot change it. */
export function observed(engine: PolicyEngine, saw: (input: DecisionInput, decision: Decision) => void): PolicyEngine {
  return {
    bundleHash: engine.bundleHash,
    version: engine.version,
    request: engine.request,
    decide(input) {
      const decision = engine.decide(input);
      saw(input, decision);
      return decision;
    },
    couldAllow: (caller, askable) => engine.couldAllow(caller, askable),
    close: () => engine.close(),
  };
}
