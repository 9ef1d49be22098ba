/** MCP 2026-07-28 as a client: stateless, every request carries its own metadata. */
import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { UpstreamRpcError } from '../../upstream/types.ts';
import { type ClientDialect, promisesToolChanges } from '../client.ts';
import { parameterHeaderValues, standardHeaders } from '../headers.ts';
import { SERVER_INFO } from '../server-info.ts';

const VERSION = '2026-07-28';
const UNSUPPORTED_VERSION = -32022;
/** Header mismatch and missing capability: only a modern server knows these. */
const MODERN_ERRORS = new Set([-32020, -32021, UNSUPPORTED_VERSION]);

export const DISCOVER = 'server/discover';

const META: JsonObject = {
  'io.modelcontextprotocol/protocolVersion': VERSION,
  'io.modelcontextprotocol/clientInfo': SERVER_INFO,
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** The dialect, for probing and for servers whose capabilities `discover` returned. */
export function modernDialect(capabilities?: JsonObject): ClientDialect {
  return {
    params: (params) => ({ ...params, _meta: META }),
    headers,
    httpCancel: 'close',
    serverRequests: false,
    announcesChanges: promisesToolChanges(capabilities),
    listen: { method: 'subscriptions/listen', params: { notifications: { toolsListChanged: true } } },
  };
}

/** MCP26-13: rebuilt from what was decided and from the approved schema, never taken over from a caller's header. */
function headers(method: string, params: JsonObject, inputSchema: JsonObject | null): [string, string][] {
  const fields = standardHeaders(method, params, VERSION);
  const args = member(params, 'arguments');
  if (inputSchema !== null && isObject(args)) fields.push(...parameterHeaderValues(inputSchema, args));
  return fields;
}

/** The dialect that a `server/discover` result leads to; null when the server does not speak this revision. */
export function readDiscovery(result: JsonObject): ClientDialect | null {
  const versions = member(result, 'supportedVersions');
  const capabilities = member(result, 'capabilities');
  if (!Array.isArray(versions) || !versions.includes(VERSION) || !isObject(capabilities)) return null;
  return modernDialect(capabilities);
}

/**
 * What an error to `server/discover` says (MCP26-41): a dialect when it can only come from a server that speaks this revision,
 * null when the handshake should be tried.
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR when the server is modern and shares no revision with the gateway
 */
export function readDiscoveryError(
  error: UpstreamRpcError,
  handshakeVersions: readonly string[],
): ClientDialect | null {
  if (!MODERN_ERRORS.has(error.rpcCode)) return null;
  if (error.rpcCode !== UNSUPPORTED_VERSION) return modernDialect();
  const supported = isObject(error.data) ? member(error.data, 'supported') : undefined;
  if (!Array.isArray(supported)) return null;
  if (supported.some((version) => typeof version === 'string' && handshakeVersions.includes(version))) return null;
  throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', 'the server speaks no protocol revision that the gateway speaks');
}

/** True when a server that was taken for modern says that it no longer is. */
export const refusesRevision = (cause: unknown): boolean =>
  cause instanceof UpstreamRpcError && cause.rpcCode === UNSUPPORTED_VERSION;
