import type { Bundle } from '../policy/bundle.ts';
import { escalationOf } from '../policy/escalations.ts';

/**
 * Policies of a native bundle that ask for an approver whom the configuration does not have. Nobody can satisfy them, so what they forbid
 * stays forbidden: operators are told, and the bundle may be in force.
 */
export function unknownApprovers(
  { policies, request }: Pick<Bundle, 'policies' | 'request'>,
  known: Readonly<Record<string, unknown>>,
): string[] {
  if (request !== 'native') return [];
  return policies.flatMap((policy) => {
    const approver = policy.effect === 'forbid' ? (escalationOf(policy)?.approver ?? null) : null;
    if (approver === null || Object.hasOwn(known, approver)) return [];
    const name = JSON.stringify(approver);
    return [`${policy.path}:${policy.line}: ${policy.id} asks for ${name}, whom \`approvals.approvers\` does not name`];
  });
}
