/** MCP 2026-07-28 as a client: stateless, every request carries its own metadata. */
import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { UpstreamRpcError } from '../../upstream/types.ts';
import { capabilitiesOf } from '../asks.ts';
import type { ClientDialect, RequestTerms } from '../client.ts';
import { parameterHeaderValues, standardHeaders } from '../headers.ts';
import { SERVER_INFO } from '../server-info.ts';
import { readProfile, type ServerProfile, unstatedProfile } from '../server-profile.ts';
import { VERSION_KEY } from './envelope.ts';
import { listening } from './listen-request.ts';
import { readOutcome } from './outcome.ts';

const VERSION = '2026-07-28';
const UNSUPPORTED_VERSION = -32022;
/** Header mismatch and missing capability: only a modern server knows these. */
const MODERN_ERRORS = new Set([-32020, -32021, UNSUPPORTED_VERSION]);

export const DISCOVER = 'server/discover';

/** The dialect, for servers whose answer to `discover` is known, for others, and for the probe itself. */
export function modernDialect(profile: ServerProfile = unstatedProfile(true)): ClientDialect {
  return {
    profile,
    restate: DISCOVER,
    params,
    headers,
    outcome: readOutcome,
    httpCancel: 'close',
    serverRequests: false,
    batches: false,
    resumable: false,
    logging: null,
    announcing: listening,
  };
}

function params(given: JsonObject, { trace, offer, progressToken, logLevel, round }: RequestTerms): JsonObject {
  const meta: JsonObject = {
    ...trace,
    [VERSION_KEY]: VERSION,
    'io.modelcontextprotocol/clientInfo': SERVER_INFO,
    'io.modelcontextprotocol/clientCapabilities': capabilitiesOf(offer),
  };
  if (progressToken !== null) meta.progressToken = progressToken;
  if (logLevel !== null) meta['io.modelcontextprotocol/logLevel'] = logLevel;
  if (round === null) return { ...given, _meta: meta };
  const again: JsonObject = { ...given };
  if (Object.keys(round.responses).length > 0) again.inputResponses = round.responses;
  // Exactly as it came, and none where none came.
  if (round.state !== null) again.requestState = round.state;
  again._meta = meta;
  return again;
}

/** MCP26-13: rebuilt from what was decided and from the approved schema, never taken over from a caller's header. */
function headers(method: string, sent: JsonObject, inputSchema: JsonObject | null): [string, string][] {
  const fields = standardHeaders(method, sent, VERSION);
  const args = member(sent, 'arguments');
  if (inputSchema !== null && isObject(args)) fields.push(...parameterHeaderValues(inputSchema, args));
  return fields;
}

/** The dialect that a `server/discover` result leads to; null when the server does not speak this revision. */
export function readDiscovery(result: JsonObject): ClientDialect | null {
  const versions = member(result, 'supportedVersions');
  if (!Array.isArray(versions) || !versions.includes(VERSION) || !isObject(member(result, 'capabilities'))) return null;
  return modernDialect(readProfile(result, true));
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
  if (supported.includes(VERSION)) return modernDialect();
  if (supported.some((version) => typeof version === 'string' && handshakeVersions.includes(version))) return null;
  throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', 'the server speaks no protocol revision that the gateway speaks');
}

/** True when a server that was taken for modern says that it no longer is. */
export const refusesRevision = (cause: unknown): boolean =>
  cause instanceof UpstreamRpcError && cause.rpcCode === UNSUPPORTED_VERSION;
