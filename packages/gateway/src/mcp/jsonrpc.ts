import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';

/** A string or a safe integer, never null; echoed with its exact type (MCP26-16, MCP25-14). */
export type RequestId = string | number;

export interface RpcRequest {
  kind: 'request';
  id: RequestId;
  method: string;
  params: JsonObject;
}

export interface RpcNotification {
  kind: 'notification';
  method: string;
  params: JsonObject;
}

export type RpcMessage =
  | RpcRequest
  | RpcNotification
  /** An answer to a request that we never sent; its content is not looked at. */
  | { kind: 'response' }
  /** Not acceptable. `id` is set where the message had a readable one. */
  | { kind: 'malformed'; id: RequestId | null };

/** What one parsed body or line is. Batches are not offered by any revision that we speak: an array is malformed. */
export function classify(value: JsonValue): RpcMessage {
  if (!isObject(value)) return { kind: 'malformed', id: null };
  const rawId = member(value, 'id');
  const id = readId(rawId);
  if (member(value, 'jsonrpc') !== '2.0') return { kind: 'malformed', id };
  const method = member(value, 'method');
  const answers = (Object.hasOwn(value, 'result') ? 1 : 0) + (Object.hasOwn(value, 'error') ? 1 : 0);
  if (method === undefined) return answers === 1 ? { kind: 'response' } : { kind: 'malformed', id };
  const params = member(value, 'params') ?? (Object.hasOwn(value, 'params') ? null : {});
  if (typeof method !== 'string' || answers > 0 || !isObject(params)) return { kind: 'malformed', id };
  if (rawId === undefined) return { kind: 'notification', method, params };
  return id === null ? { kind: 'malformed', id: null } : { kind: 'request', id, method, params };
}

/** A plain `number` from the strict parser is always a safe integer; 1.5, 1.0 and 2^53 arrive as lexemes and are refused. */
function readId(value: JsonValue | undefined): RequestId | null {
  return typeof value === 'string' || typeof value === 'number' ? value : null;
}

export function resultMessage(id: RequestId, result: JsonObject): JsonObject {
  return { jsonrpc: '2.0', id, result };
}

/** An error answer; without an id where none could be read. */
export function errorMessage(id: RequestId | null, code: number, message: string, data: JsonObject): JsonObject {
  const error: JsonObject = { code, message, data };
  return id === null ? { jsonrpc: '2.0', error } : { jsonrpc: '2.0', id, error };
}
