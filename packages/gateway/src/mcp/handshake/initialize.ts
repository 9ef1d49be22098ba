import { isObject, type JsonObject, member } from '@cmcp/evidence';
import type { Caller } from '../../caller.ts';
import { GatewayError } from '../../errors.ts';
import { abilitiesIn, agreeOn } from './revision.ts';
import { type Carrier, type HandshakeDeps, HandshakeSession } from './session.ts';

/**
 * Opens a session for the parameters of `initialize`.
 * @throws GatewayError INVALID_PARAMS, or whatever opening the audited session throws
 */
export async function initialize(
  deps: HandshakeDeps,
  carrier: Carrier,
  caller: Caller,
  params: JsonObject,
): Promise<HandshakeSession> {
  const requested = member(params, 'protocolVersion');
  if (typeof requested !== 'string') throw new GatewayError('INVALID_PARAMS', 'protocolVersion must be a string');
  for (const key of ['capabilities', 'clientInfo']) {
    const value = member(params, key);
    if (value !== undefined && !isObject(value)) throw new GatewayError('INVALID_PARAMS', `${key} must be an object`);
  }
  const capabilities = member(params, 'capabilities');
  const revision = agreeOn(requested);
  const abilities = abilitiesIn(revision, isObject(capabilities) ? capabilities : {});
  const ref = await deps.gateway.openSession(caller);
  return new HandshakeSession(deps, carrier, { ref, revision, abilities, offer: deps.gateway.offer(caller) });
}
