import { GatewayError } from '../errors.ts';
import type { AskKind } from '../mcp/asks.ts';
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
import type { OwnRequests } from './own-requests.ts';
import type { Scope } from './scope.ts';
import { UpstreamRpcError } from './types.ts';

export interface HttpNegotiationOptions {
  sender: HttpSender;
  own: OwnRequests;
  /** What the catalog lets the server ask. */
  asks: readonly AskKind[];
}

/**
 * Agrees on a revision family with a server (MCP26-41): `server/discover` first, and `initialize` where its answer is none
 * that a modern server gives.
 * @throws GatewayError when the server speaks neither family
 */
export async function negotiateHttp(options: HttpNegotiationOptions, scope: Scope): Promise<Terms> {
  const modern = await discover(options, scope);
  return modern === null ? initialize(options, scope) : { dialect: modern, session: null };
}

async function discover(options: HttpNegotiationOptions, scope: Scope): Promise<ClientDialect | null> {
  const answer = await askDiscovery(options, scope);
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
async function askDiscovery({ sender, own }: HttpNegotiationOptions, scope: Scope): Promise<PostAnswer | null> {
  try {
    return await sender.request(own.message(DISCOVER, {}), { dialect: modernDialect(), session: null }, scope);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'UPSTREAM_PROTOCOL_ERROR') return null;
    throw error;
  }
}

async function initialize({ sender, own, asks }: HttpNegotiationOptions, scope: Scope): Promise<Terms> {
  const message = own.message(INITIALIZE, initializeParams(asks));
  const answer = await sender.request(message, { dialect: openingDialect(), session: null }, scope);
  const terms = { dialect: readInitialize(resultOf(answer)), session: readSessionId(answer.headers) };
  const noted = await sender.notify(initialized(), terms, scope);
  if (noted.status >= 300) throw bad(`the server refused the end of the handshake with HTTP ${noted.status}`);
  return terms;
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}
