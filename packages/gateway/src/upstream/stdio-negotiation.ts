import type { JsonObject } from '@cmcp/evidence';
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
import { DISCOVER, modernDialect, readDiscovery, readDiscoveryError } from '../mcp/modern/client.ts';
import type { OwnRequests } from './own-requests.ts';
import type { StdioConnection } from './stdio-connection.ts';
import { UpstreamRpcError } from './types.ts';

/** A server that has not answered the probe by then is asked to shake hands; a slow one still answers either. */
const PROBE_MS = 3000;

export interface NegotiationOptions {
  own: OwnRequests;
  /** What the catalog lets the server ask. */
  asks: readonly AskKind[];
  /** For the whole start. */
  timeoutMs: number;
  /** False for a server that died of the probe before. */
  probe: boolean;
}

/**
 * Finds out which revision family a fresh process speaks (MCP26-41): `server/discover` first; a discover result or an
 * error that only a modern server gives settles it, and anything else, or silence, leads to `initialize`.
 * @throws GatewayError when the server speaks neither
 */
export async function negotiateStdio(connection: StdioConnection, options: NegotiationOptions): Promise<ClientDialect> {
  const modern = options.probe ? await probe(connection, options, Math.min(PROBE_MS, options.timeoutMs)) : null;
  if (modern !== null) return modern;
  const opening = openingDialect();
  connection.dialect = opening;
  try {
    const params = initializeParams(options.asks);
    const result = await ask(connection, INITIALIZE, params, opening, options, options.timeoutMs);
    const dialect = readInitialize(result);
    connection.notify(initialized());
    return dialect;
  } catch (error) {
    // A server that was still starting when it was probed may speak the other family only.
    const refused = options.probe && error instanceof GatewayError && error.cause instanceof UpstreamRpcError;
    const late = refused ? await probe(connection, options, options.timeoutMs) : null;
    if (late === null) throw error;
    return late;
  }
}

async function probe(
  connection: StdioConnection,
  options: NegotiationOptions,
  waitMs: number,
): Promise<ClientDialect | null> {
  try {
    return readDiscovery(await ask(connection, DISCOVER, {}, modernDialect(), options, waitMs));
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code === 'OUTCOME_UNKNOWN') throw error;
    if (error.cause instanceof UpstreamRpcError) return readDiscoveryError(error.cause, HANDSHAKE_VERSIONS);
    // Silence or nonsense: not a server of this family.
    return null;
  }
}

/** One request of the opening; these cannot be cancelled. */
function ask(
  connection: StdioConnection,
  method: string,
  params: JsonObject,
  dialect: ClientDialect,
  { own }: NegotiationOptions,
  timeoutMs: number,
): Promise<JsonObject> {
  return own.within(timeoutMs, (scope) => connection.exchange(own.message(method, params), dialect, scope, false));
}
