import { isObject, type JsonObject, member } from '@cmcp/evidence';

export const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
export const CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';

/** `_meta` decides the family (ERA-01): a message that carries one of the per-request keys is stateless. */
export function carriesEnvelope(params: JsonObject): boolean {
  const meta = member(params, '_meta');
  return isObject(meta) && (Object.hasOwn(meta, VERSION_KEY) || Object.hasOwn(meta, CAPABILITIES_KEY));
}

/** The version that a request names, or the keys that are missing or mistyped (MCP26-14). */
export function readEnvelope(params: JsonObject): { version: string } | { missing: string[] } {
  const raw = member(params, '_meta');
  const meta = isObject(raw) ? raw : {};
  const version = member(meta, VERSION_KEY);
  const missing: string[] = [];
  if (typeof version !== 'string') missing.push(VERSION_KEY);
  if (!isObject(member(meta, CAPABILITIES_KEY))) missing.push(CAPABILITIES_KEY);
  return typeof version === 'string' && missing.length === 0 ? { version } : { missing };
}
