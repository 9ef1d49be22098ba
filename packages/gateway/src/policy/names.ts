import type { BundlePolicy } from './parse.ts';
import { refuseBundle } from './text.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/;
/** The name of a policy that has none of its own: its place. */
export const POSITIONAL = /^policy\d+$/;

/**
 * Native policies go by their `@id` in entries and reports, which stays the same when files are added; one without it keeps
 * its position as name. The name is not advice: callers are not told it.
 *
 * @throws GatewayError POLICY_INVALID for a name that is taken, or that an entry cannot hold
 */
export function named(policies: readonly BundlePolicy[]): BundlePolicy[] {
  const taken = new Map<string, string>();
  return policies.map((policy) => {
    const { id: given, ...annotations } = policy.annotations;
    if (given === undefined) return policy;
    if (!NAME.test(given) || POSITIONAL.test(given)) {
      throw refuseBundle(
        policy.path,
        `@id(${JSON.stringify(given)}): use 1 to 100 letters, digits, ".", "_", ":" or "-", and not policy0, policy1, …`,
      );
    }
    const first = taken.get(given);
    if (first !== undefined) throw refuseBundle(policy.path, `@id("${given}") is taken by a policy in ${first}`);
    taken.set(given, policy.path);
    return { ...policy, id: given, annotations };
  });
}
