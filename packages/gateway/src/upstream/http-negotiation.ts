import { GatewayError } from '../errors.ts';
import type { ClientDialect } from '../mcp/client.ts';
import {
  HANDSHAKE_VERSIONS,
  INITIALIZE,
  initialized,
  initializeParams,
  openingDialect,
  readInitialize,
} from '../mcp/handshake/client.ts';
import { readSessionId } from '../mcp/handshake/session-id.ts';
import { DISCOVER, modernDialect, readDiscovery, readDiscoveryError } from '../mcp/modern/client.ts';
import { isRedirect, resultOf } from './http-answer.ts';
import type { PostAnswer } from './http-post.ts';
import type { HttpSender, Terms } from './http-sender.ts';
import type { Scope } from './scope.ts';
import { UpstreamRpcError } from './types.ts';

/**
 * Agrees on a revision family with a server (MCP26-41): `server/discover` first, and `initialize` where its answer is none
 * that a modern server gives.
 * @throws GatewayError when the server speaks neither family
 */
export async function negotiateHttp(sender: HttpSender, nextId: () => string, scope: Scope): Promise<Terms> {
  const modern = await discover(sender, nextId(), scope);
  return modern === null ? initialize(sender, nextId(), scope) : { dialect: modern, session: null };
}

async function discover(sender: HttpSender, id: string, scope: Scope): Promise<ClientDialect | null> {
  const answer = await askDiscovery(sender, id, scope);
  if (answer === null) return null;
  const { status } = answer;
  // Not a question of revision: no other one gets past these either.
  const final = status === 401 || status === 403 || status >= 500 || isRedirect(status);
  if (answer.response === null && !final) return null;
  try {
    return readDiscovery(resultOf(answer));
  } catch (error) {
    if (!(error instanceof GatewayError) || answer.response === null) throw error;
    return error.cause instanceof UpstreamRpcError ? readDiscoveryError(error.cause, HANDSHAKE_VERSIONS) : null;
  }
}

/** Null when the answer makes no sense to this family, which an older server's need not. */
async function askDiscovery(sender: HttpSender, id: string, scope: Scope): Promise<PostAnswer | null> {
  const message = { id, method: DISCOVER, params: {}, inputSchema: null };
  try {
    return await sender.request(message, { dialect: modernDialect(), session: null }, scope);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'UPSTREAM_PROTOCOL_ERROR') return null;
    throw error;
  }
}

async function initialize(sender: HttpSender, id: string, scope: Scope): Promise<Terms> {
  const message = { id, method: INITIALIZE, params: initializeParams(), inputSchema: null };
  const answer = await sender.request(message, { dialect: openingDialect(), session: null }, scope);
  const terms = { dialect: readInitialize(resultOf(answer)), session: readSessionId(answer.headers) };
  const noted = await sender.notify(initialized(), terms, scope);
  if (noted.status >= 300) throw bad(`the server refused the end of the handshake with HTTP ${noted.status}`);
  return terms;
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}
