import type { IncomingMessage } from 'node:http';
import type { JsonObject } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import { readObject, textIn } from './body.ts';

/** What operators may do where something is needed at once that no catalog approves. */
export interface ExceptionOperations {
  request(by: Caller, body: JsonObject, reason: string): Promise<JsonObject>;
  confirm(by: Caller, id: string, reason: string): Promise<JsonObject>;
  list(): JsonObject;
  end(by: Caller, id: string, reason: string): Promise<JsonObject>;
}

const ROUTE = /^catalog\/exceptions(?:\/([0-9a-f-]{36})\/(confirm|end))?$/;

/** The answer to an operator's request about exceptions; null where `route` is none of theirs. */
export async function exceptionRoute(
  exceptions: ExceptionOperations,
  request: IncomingMessage,
  route: string,
  by: Caller,
): Promise<JsonObject | null> {
  const found = ROUTE.exec(route);
  if (found === null) return null;
  const [, id, step] = found;
  if (id === undefined && request.method === 'GET') return exceptions.list();
  if (request.method !== 'POST') throw new GatewayError('METHOD_NOT_ALLOWED', route);
  if (id === undefined) {
    const body = await readObject(request, ['reason', 'server', 'tools', 'sensitivity', 'ttl']);
    return exceptions.request(by, body, textIn(body, 'reason'));
  }
  const reason = textIn(await readObject(request, ['reason']), 'reason');
  return step === 'confirm' ? exceptions.confirm(by, id, reason) : exceptions.end(by, id, reason);
}
