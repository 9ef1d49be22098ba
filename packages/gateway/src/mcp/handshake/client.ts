/** The handshake revisions of MCP (2024-11-05 to 2025-11-25) as a client. */
import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { standingOffer } from '../ask-offer.ts';
import { type AskKind, capabilitiesOf } from '../asks.ts';
import type { ClientDialect, RequestTerms } from '../client.ts';
import { SERVER_INFO } from '../server-info.ts';
import { readProfile, type ServerProfile, unstatedProfile } from '../server-profile.ts';
import { checkShape, completeResult } from '../server-results.ts';

const LATEST = '2025-11-25';
/** Revisions whose answer to `initialize` is accepted. */
export const HANDSHAKE_VERSIONS: readonly string[] = [LATEST, '2025-06-18', '2025-03-26', '2024-11-05'];

/** The one revision in which a server may send several messages in one. */
const WITH_BATCHES = '2025-03-26';
/** In it servers complete arguments without saying so. */
const UNDECLARED_COMPLETIONS = '2024-11-05';

export const INITIALIZE = 'initialize';

/** A server is offered exactly what the catalog lets it ask; whether a request's client can be asked shows when it asks. */
export const initializeParams = (asks: readonly AskKind[]): JsonObject => ({
  protocolVersion: LATEST,
  capabilities: capabilitiesOf(standingOffer(asks)),
  clientInfo: SERVER_INFO,
});

export const initialized = (): JsonObject => ({ jsonrpc: '2.0', method: 'notifications/initialized' });

/**
 * The dialect that an `initialize` result leads to.
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR when the server chose a revision that the gateway does not speak
 */
export function readInitialize(result: JsonObject): ClientDialect {
  const version = member(result, 'protocolVersion');
  if (typeof version !== 'string' || !HANDSHAKE_VERSIONS.includes(version)) {
    throw bad('the server chose a protocol revision that the gateway does not speak');
  }
  const capabilities = member(result, 'capabilities');
  if (!isObject(capabilities)) throw bad('the answer to initialize names no capabilities');
  const implied: JsonObject = version === UNDECLARED_COMPLETIONS ? { completions: {} } : {};
  return dialect(version, readProfile({ ...result, capabilities: { ...implied, ...capabilities } }, false));
}

/** Before the revision is agreed; its header is then left out. */
export const openingDialect = (): ClientDialect => dialect(null, unstatedProfile(false));

function dialect(version: string | null, profile: ServerProfile): ClientDialect {
  return {
    profile,
    restate: null,
    params,
    headers: () => (version === null ? [] : [['mcp-protocol-version', version]]),
    outcome({ method }, result) {
      const complete = completeResult(result);
      if (complete === null) throw bad('the result is of a type that this revision does not have');
      checkShape(method, complete);
      return { kind: 'complete', result: complete };
    },
    httpCancel: 'notify',
    serverRequests: true,
    batches: version === WITH_BATCHES,
    resumable: true,
    // Everything: which messages a request's client wants differs from request to request.
    logging: profile.logs ? { method: 'logging/setLevel', params: { level: 'debug' } } : null,
    announcing: { by: 'request', subscribe: 'resources/subscribe', unsubscribe: 'resources/unsubscribe' },
  };
}

function params(given: JsonObject, { trace, progressToken, round }: RequestTerms): JsonObject {
  if (round !== null) {
    throw new GatewayError('UPSTREAM_UNAVAILABLE', 'the server no longer speaks the revision in which it asked');
  }
  const meta: JsonObject = progressToken === null ? trace : { ...trace, progressToken };
  return Object.keys(meta).length === 0 ? given : { ...given, _meta: meta };
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}
