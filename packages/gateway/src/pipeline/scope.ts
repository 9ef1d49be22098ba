import { GatewayError } from '../errors.ts';
import type { PathDeps } from './deps.ts';
import type { Plan } from './plan.ts';
import type { CallRecord } from './record.ts';

/** AUTHZ-07: in every mode, for it is the credential that says so. @throws GatewayError INSUFFICIENT_SCOPE */
export function requireScope({ scopes }: PathDeps, { caller }: CallRecord, { item }: Plan): void {
  if (scopes.allow(caller, item)) return;
  throw new GatewayError('INSUFFICIENT_SCOPE', `no scope of the credential of ${caller.subject} is for ${item.name}`);
}
