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

/** An answer to a request of ours. */
export interface RpcResponse {
  kind: 'response';
  /** Null when it is none that a request of ours can have. */
  id: RequestId | null;
  /** Null: an error, or no object. */
  result: JsonObject | null;
}

export type RpcMessage =
  | RpcRequest
  | RpcNotification
  | RpcResponse
  /** Not acceptable. `id` is set where the message had a readable one. */
  | { kind: 'malformed'; id: RequestId | null };

/** What one parsed body, line or element of a batch is. An array is none: batches are unpacked before, where they are offered. */
export function classify(value: JsonValue): RpcMessage {
  if (!isObject(value)) return { kind: 'malformed', id: null };
  const rawId = member(value, 'id');
  const id = readId(rawId);
  if (member(value, 'jsonrpc') !== '2.0') return { kind: 'malformed', id };
  const method = member(value, 'method');
  const answers = (Object.hasOwn(value, 'result') ? 1 : 0) + (Object.hasOwn(value, 'error') ? 1 : 0);
  if (method === undefined) return answers === 1 ? response(id, value) : { kind: 'malformed', id };
  const params = member(value, 'params') ?? (Object.hasOwn(value, 'params') ? null : {});
  if (typeof method !== 'string' || answers > 0 || !isObject(params)) return { kind: 'malformed', id };
  if (rawId === undefined) return { kind: 'notification', method, params };
  return id === null ? { kind: 'malformed', id: null } : { kind: 'request', id, method, params };
}

function response(id: RequestId | null, value: JsonObject): RpcResponse {
  const result = member(value, 'result');
  return { kind: 'response', id, result: isObject(result) ? result : null };
}

/** A plain `number` from the strict parser is always a safe integer; 1.5, 1.0 and 2^53 arrive as lexemes and are refused. */
function readId(value: JsonValue | undefined): RequestId | null {
  return typeof value === 'string' || typeof value === 'number' ? value : null;
}

export function requestMessage(id: RequestId, method: string, params: JsonObject): JsonObject {
  return { jsonrpc: '2.0', id, method, params };
}

export function notificationMessage(method: string, params?: JsonObject): JsonObject {
  return params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params };
}

export function resultMessage(id: RequestId, result: JsonObject): JsonObject {
  return { jsonrpc: '2.0', id, result };
}

/** An error answer; without an id where none could be read. */
export function errorMessage(id: RequestId | null, code: number, message: string, data: JsonObject): JsonObject {
  const error: JsonObject = { code, message, data };
  return id === null ? { jsonrpc: '2.0', error } : { jsonrpc: '2.0', id, error };
}
