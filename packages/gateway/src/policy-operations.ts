import type { JsonObject } from '@cmcp/evidence';
import type { GatewayChain } from './audit/gateway-chain.ts';
import type { Authority } from './authority.ts';
import type { Config } from './config/types.ts';
import type { PolicyOperations } from './operator/policy-routes.ts';
import type { Operator } from './operator/route.ts';
import type { PolicyStanding } from './policy-standing.ts';
import type { ShadowStage } from './shadow-stage.ts';

/** What came of asking for an activation. */
export interface Activation {
  /** False: it is the one in force, so that nothing was done. */
  activated: boolean;
  bundle_hash: string;
  version: string;
  policy_key: string;
}

export interface PolicyOperationsDeps {
  config: Config;
  chain: GatewayChain;
  standing: PolicyStanding;
  shadow: ShadowStage;
  authority: () => Authority;
  /** Runs nothing else that changes what is in force, or could be, at the same time. */
  alone: <T>(task: () => Promise<T>) => Promise<T>;
  activate: (by: Operator, expected: string | null) => Promise<Activation>;
  /** What an activation would put in force, checked as it would be. */
  load: (by: Operator) => Promise<Pick<Authority, 'policy' | 'policyKey'>>;
}

/** What operators do about the policy of a running gateway, free of HTTP. */
export function policyOperations(deps: PolicyOperationsDeps): PolicyOperations {
  const { chain, standing, shadow, alone } = deps;
  return {
    show: () => show(deps),
    async activate(by, expected) {
      await chain.enter('operator.policy_activate', by, { expected: expected ?? 'any' });
      return { ...(await deps.activate(by, expected)) };
    },
    startShadow: (by) =>
      alone(async () => {
        const { policy, policyKey } = await deps.load(by);
        return shadow.start(policy, policyKey, by);
      }),
    showShadow: () => shadow.show(),
    stopShadow: (by) => alone(() => shadow.end('stopped', by)),
    revokeKey: (by, keyId, reason) => alone(() => revokeKey(deps, by, keyId, reason)),
    succeedKey: (by, statement) =>
      alone(() =>
        standing.succeed(statement, (detail, text) => chain.enter('operator.policy_succeed_key', by, detail, text)),
      ),
  };
}

async function show({ config, authority, standing, shadow }: PolicyOperationsDeps): Promise<JsonObject> {
  const { policy, policyKey, inspection } = authority();
  const { revoked, ...keys } = standing.keys;
  const last = standing.activatedLast;
  return {
    bundle_hash: policy.bundleHash,
    version: policy.version,
    policy_key: policyKey ?? 'none',
    rules: { hash: inspection.hash, version: inspection.version },
    pinned: { hash: config.policy.pin, key_id: keys.pinned },
    keys: { in_force: keys.inForce, successor: keys.successor, revoked: [...revoked] },
    newest: last && { version: last.version, bundle_hash: last.hash },
    shadow: await shadow.show(),
  };
}

async function revokeKey(
  { chain, standing, authority }: PolicyOperationsDeps,
  by: Operator,
  keyId: string,
  reason: string,
): Promise<JsonObject> {
  const { pinned, inForce, successor } = standing.keys;
  await standing.revoke(keyId, (text) =>
    chain.enter('operator.policy_revoke_key', by, { key_id: keyId, reason }, text),
  );
  return {
    key_id: keyId,
    // A mistyped id revokes nothing that is in use.
    known: [pinned, inForce, successor].includes(keyId),
    signs_what_is_in_force: authority().policyKey === keyId,
    key_in_force: standing.keys.inForce,
  };
}
