import type { JsonObject } from '@cmcp/evidence';
import type { GatewayChain } from './audit/gateway-chain.ts';
import type { Operator } from './operator/route.ts';
import { type Difference, Shadow, type ShadowDeps } from './policy/shadow.ts';
import type { Decision, DecisionInput, PolicyEngine } from './policy/types.ts';

interface Staged {
  shadow: Shadow;
  names: { bundle_hash: string; version: string; policy_key: string };
}

/** Where a bundle is tried beside the one in force. Its beginning and its result are entries of the gateway chain. */
export class ShadowStage {
  readonly #chain: GatewayChain;
  readonly #deps: ShadowDeps;
  #staged: Staged | null = null;

  constructor(chain: GatewayChain, deps: ShadowDeps) {
    this.#chain = chain;
    this.#deps = deps;
  }

  /** For the engine in force: told of each decision. */
  readonly saw = (input: DecisionInput, decision: Decision): void => this.#staged?.shadow.offer(input, decision);

  /** Tries this bundle from now on; one that was tried before is ended. */
  async start(engine: PolicyEngine, policyKey: string | null, by: Operator): Promise<JsonObject> {
    await this.end('replaced', by);
    const names = { bundle_hash: engine.bundleHash, version: engine.version, policy_key: policyKey ?? 'none' };
    try {
      await this.#chain.enter('policy.shadow_started', by, names);
    } catch (error) {
      engine.close();
      throw error;
    }
    this.#staged = { shadow: new Shadow(engine, this.#deps), names };
    return this.show();
  }

  async show(): Promise<JsonObject> {
    return this.#staged === null ? { running: false } : { running: true, ...(await resultOf(this.#staged)) };
  }

  /** Ends the trial and enters its result; without one there is nothing to do. */
  async end(reason: 'stopped' | 'replaced' | 'activated' | 'shutdown', by: Operator | null): Promise<JsonObject> {
    const staged = this.#staged;
    this.#staged = null;
    if (staged === null) return { running: false };
    const result = await resultOf(staged);
    staged.shadow.close();
    const { differences, halted, ...counts } = result;
    await this.#chain.enter('policy.shadow_stopped', by, { ...counts, halted: halted ? 1 : 0, reason });
    return { running: false, ...result };
  }
}

async function resultOf({ shadow, names }: Staged) {
  const counts = await shadow.counts();
  return { ...names, ...counts, differences: shadow.differences().map(told) };
}

function told({ before, after, firstCallId, ...difference }: Difference): JsonObject {
  return { ...difference, policies_before: [...before], policies_after: [...after], first_call_id: firstCallId };
}
