/** The handshake revisions of MCP (2024-11-05 to 2025-11-25) as a client. */
import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { type ClientDialect, promisesToolChanges } from '../client.ts';
import { SERVER_INFO } from '../server-info.ts';

const LATEST = '2025-11-25';
/** Revisions whose answer to `initialize` is accepted. */
export const HANDSHAKE_VERSIONS: readonly string[] = [LATEST, '2025-06-18', '2025-03-26', '2024-11-05'];

export const INITIALIZE = 'initialize';

/** The gateway offers servers no capability: sampling, elicitation and roots are not asked of agents through it. */
export const initializeParams = (): JsonObject => ({
  protocolVersion: LATEST,
  capabilities: {},
  clientInfo: SERVER_INFO,
});

export const initialized = (): JsonObject => ({ jsonrpc: '2.0', method: 'notifications/initialized' });

/**
 * The dialect that an `initialize` result leads to.
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR when the server chose a revision that the gateway does not speak
 */
export function readInitialize(result: JsonObject): ClientDialect {
  const version = member(result, 'protocolVersion');
  const capabilities = member(result, 'capabilities');
  if (typeof version !== 'string' || !HANDSHAKE_VERSIONS.includes(version)) {
    throw new GatewayError(
      'UPSTREAM_PROTOCOL_ERROR',
      'the server chose a protocol revision that the gateway does not speak',
    );
  }
  if (!isObject(capabilities)) {
    throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', 'the answer to initialize names no capabilities');
  }
  return dialect(version, promisesToolChanges(capabilities));
}

/** Before the revision is agreed; its header is then left out. */
export const openingDialect = (): ClientDialect => dialect(null, false);

function dialect(version: string | null, announcesChanges: boolean): ClientDialect {
  return {
    params: (params) => params,
    headers: () => (version === null ? [] : [['mcp-protocol-version', version]]),
    httpCancel: 'notify',
    serverRequests: true,
    announcesChanges,
    listen: null,
  };
}
