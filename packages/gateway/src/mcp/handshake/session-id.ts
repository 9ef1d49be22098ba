import { GatewayError } from '../../errors.ts';
import type { HeaderFields } from '../answer-body.ts';

const SESSION_ID = /^[\x21-\x7e]{1,1024}$/;

/**
 * The session that an answer to `initialize` opened; null when the server keeps none.
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR when the id is not visible ASCII
 */
export function readSessionId(headers: HeaderFields): string | null {
  const session = headers['mcp-session-id'] ?? null;
  if (session === null) return null;
  if (typeof session === 'string' && SESSION_ID.test(session)) return session;
  throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', 'the session id is not visible ASCII');
}
