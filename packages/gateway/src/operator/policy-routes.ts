import type { IncomingMessage } from 'node:http';
import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import type { Caller } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import { readObject, textIn } from './body.ts';

/** What operators may do about the policy of a running gateway. Each is an entry of the gateway chain before it takes effect. */
export interface PolicyOperations {
  show(): Promise<JsonObject>;
  /** `expected`: the hash that the bundle has to have; null: whichever it is. */
  activate(by: Caller, expected: string | null): Promise<JsonObject>;
  startShadow(by: Caller): Promise<JsonObject>;
  showShadow(): Promise<JsonObject>;
  stopShadow(by: Caller): Promise<JsonObject>;
  revokeKey(by: Caller, keyId: string, reason: string): Promise<JsonObject>;
  succeedKey(by: Caller, statement: JsonValue): Promise<JsonObject>;
}

type Route = (policy: PolicyOperations, request: IncomingMessage, by: Caller) => Promise<JsonObject>;

const ROUTES: Readonly<Record<string, Route>> = {
  'GET policy': (policy) => policy.show(),
  'POST policy/activate': async (policy, request, by) =>
    policy.activate(by, optionalHash(await readObject(request, ['bundle_hash']))),
  'GET policy/shadow': (policy) => policy.showShadow(),
  'POST policy/shadow': (policy, _request, by) => policy.startShadow(by),
  'POST policy/shadow/stop': (policy, _request, by) => policy.stopShadow(by),
  'POST policy/revoke-key': async (policy, request, by) => {
    const body = await readObject(request, ['key_id', 'reason']);
    return policy.revokeKey(by, keyIdIn(body), textIn(body, 'reason'));
  },
  'POST policy/succeed-key': async (policy, request, by) => {
    const body = await readObject(request, ['statement']);
    return policy.succeedKey(by, member(body, 'statement') ?? null);
  },
};

/** The answer to an operator's request about policy; null where `route`, such as `policy/activate`, is none of these. */
export async function policyRoute(
  policy: PolicyOperations,
  request: IncomingMessage,
  route: string,
  by: Caller,
): Promise<JsonObject | null> {
  if (!Object.keys(ROUTES).some((each) => each.endsWith(` ${route}`))) return null;
  const asked = `${request.method} ${route}`;
  const serve = Object.hasOwn(ROUTES, asked) ? ROUTES[asked] : undefined;
  if (serve === undefined) throw new GatewayError('METHOD_NOT_ALLOWED', route);
  return serve(policy, request, by);
}

function optionalHash(body: JsonObject): string | null {
  const hash = member(body, 'bundle_hash') ?? null;
  if (hash === null || (typeof hash === 'string' && /^sha256:[0-9a-f]{64}$/.test(hash))) return hash;
  throw new GatewayError('INVALID_PARAMS', '"bundle_hash" must be sha256: and 64 lower-case hexadecimal digits');
}

function keyIdIn(body: JsonObject): string {
  const keyId = member(body, 'key_id');
  if (typeof keyId === 'string' && /^[\w-]{43}$/.test(keyId)) return keyId;
  throw new GatewayError('INVALID_PARAMS', '"key_id" must be the thumbprint of a key: 43 characters of base64url');
}
