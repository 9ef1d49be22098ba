import type { IncomingMessage } from 'node:http';
import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import { readObject, textIn } from './body.ts';

/** What operators may do about answers that are withheld until one of them releases them. */
export interface QuarantineOperations {
  list(): JsonObject;
  show(by: Caller, id: string): Promise<JsonObject>;
  release(by: Caller, id: string, reason: string): Promise<JsonObject>;
  discard(by: Caller, id: string, reason: string): Promise<JsonObject>;
}

const ROUTE = /^quarantine(?:\/([0-9a-f-]{36})(?:\/(release|discard))?)?$/;

/** The answer to an operator's request about quarantine; null where `route` is none of these. */
export async function quarantineRoute(
  quarantine: QuarantineOperations,
  request: IncomingMessage,
  route: string,
  by: Caller,
): Promise<JsonObject | null> {
  const found = ROUTE.exec(route);
  if (found === null) return null;
  const [, id, step] = found;
  if (request.method !== (step === undefined ? 'GET' : 'POST')) throw new GatewayError('METHOD_NOT_ALLOWED', route);
  if (id === undefined) return quarantine.list();
  if (step === undefined) return quarantine.show(by, id);
  const reason = textIn(await readObject(request, ['reason']), 'reason');
  return step === 'release' ? quarantine.release(by, id, reason) : quarantine.discard(by, id, reason);
}
