/**
 * What the upstream room needs of MCP as a client, free of revisions: framing of what servers send, the shapes of results,
 * and the dialect that a revision family speaks. The families are in modern/client.ts and handshake/client.ts.
 */
import { isUtf8 } from 'node:buffer';
import { isObject, JsonError, type JsonObject, type JsonValue, member, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { UpstreamRpcError } from '../upstream/types.ts';

/** How one revision family wants to be spoken to. */
export interface ClientDialect {
  /** Params of a request, with what this family adds to each. */
  params(params: JsonObject): JsonObject;
  /**
   * Header fields of a POST, beside those of HTTP itself. `inputSchema` is the approved one of the tool that is called.
   * @throws GatewayError ARGUMENTS_REFUSED or CATALOG_INVALID when a parameter header cannot be built
   */
  headers(method: string, params: JsonObject, inputSchema: JsonObject | null): [string, string][];
  /** Over HTTP a call is taken back by closing its stream (`close`) or by telling the server as well (`notify`). */
  readonly httpCancel: 'close' | 'notify';
  /** May the server send requests that want an answer? */
  readonly serverRequests: boolean;
  /** The server says that it announces changes of its tool list. */
  readonly announcesChanges: boolean;
  /** The request that asks for those announcements, or null where they come unasked. */
  readonly listen: { method: string; params: JsonObject } | null;
}

export type ServerMessage =
  | { kind: 'response'; id: string; message: JsonObject }
  | { kind: 'request'; id: JsonValue; method: string }
  | { kind: 'notification'; method: string }
  /** Valid JSON that is no message we could have asked for; never an answer. */
  | { kind: 'other' };

const TOOL_LIST_CHANGED = 'notifications/tools/list_changed';
export const isToolListChange = (message: ServerMessage): boolean =>
  message.kind === 'notification' && message.method === TOOL_LIST_CHANGED;

/**
 * Parses the bytes of one message from a server.
 * @throws GatewayError RESPONSE_ENCODING_INVALID, RESPONSE_SIZE_EXCEEDED or UPSTREAM_PROTOCOL_ERROR
 */
export function parseServerBytes(bytes: Buffer, maxBytes: number): JsonValue {
  if (!isUtf8(bytes)) throw new GatewayError('RESPONSE_ENCODING_INVALID', 'the message is not UTF-8');
  try {
    return parseJson(bytes, { bytes: maxBytes });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    if (error.code === 'TOO_LARGE') throw new GatewayError('RESPONSE_SIZE_EXCEEDED', `more than ${maxBytes} bytes`);
    throw new GatewayError('UPSTREAM_PROTOCOL_ERROR', `the message is not acceptable JSON: ${error.code}`);
  }
}

/** Sorts a parsed message. Our ids are strings, so a response with any other id is none of ours (ATK-20). */
export function readServerMessage(value: JsonValue): ServerMessage {
  if (!isObject(value)) return { kind: 'other' };
  const method = member(value, 'method');
  const id = member(value, 'id');
  if (typeof method === 'string') {
    return id === undefined ? { kind: 'notification', method } : { kind: 'request', id, method };
  }
  return typeof id === 'string' ? { kind: 'response', id, message: value } : { kind: 'other' };
}

/**
 * The `result` of a response.
 * @throws GatewayError UPSTREAM_TOOL_ERROR (cause UpstreamRpcError) for an error answer, UPSTREAM_PROTOCOL_ERROR for a bad one
 */
export function readResult(message: JsonObject): JsonObject {
  const result = member(message, 'result');
  const error = member(message, 'error');
  if (member(message, 'jsonrpc') !== '2.0') throw bad('the response is not JSON-RPC 2.0');
  if ((result === undefined) === (error === undefined)) throw bad('the response needs exactly one of result and error');
  if (error !== undefined) throw readError(error);
  if (!isObject(result)) throw bad('the result is not an object');
  return complete(result);
}

/** MCP26-18: absent counts as complete, complete is bookkeeping and removed, everything else is not understood. */
function complete(result: JsonObject): JsonObject {
  const type = member(result, 'resultType');
  if (type === undefined) return result;
  if (type !== 'complete') throw bad('the result is of a type that the gateway does not accept');
  const { resultType: _, ...rest } = result;
  return rest;
}

function readError(error: JsonValue): GatewayError {
  const code = isObject(error) ? member(error, 'code') : undefined;
  const message = isObject(error) ? member(error, 'message') : undefined;
  if (!isObject(error) || typeof code !== 'number' || typeof message !== 'string') return bad('the error is malformed');
  const cause = new UpstreamRpcError(code, message, member(error, 'data'));
  return new GatewayError('UPSTREAM_TOOL_ERROR', `the server answered with error ${code}`, { cause });
}

/**
 * A `tools/call` result, unaltered, when it has the shape of one (LIFE-05: `{}` is no success).
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR
 */
export function checkToolResult(result: JsonObject): JsonObject {
  const content = member(result, 'content');
  const isError = member(result, 'isError');
  const meta = member(result, '_meta');
  if (content === undefined && member(result, 'structuredContent') === undefined)
    throw bad('the result holds no content');
  const blocks = content === undefined ? [] : content;
  if (
    !Array.isArray(blocks) ||
    !blocks.every((block) => isObject(block) && typeof member(block, 'type') === 'string')
  ) {
    throw bad('content is not a list of content blocks');
  }
  if (isError !== undefined && typeof isError !== 'boolean') throw bad('isError is not a boolean');
  if (meta !== undefined && !isObject(meta)) throw bad('_meta is not an object');
  return result;
}

/** One page of `tools/list`: its tools as they came, and the cursor of the next page (MCP26-24: `""` is a cursor). */
export function readToolPage(result: JsonObject): { tools: JsonValue[]; nextCursor: string | null } {
  const tools = member(result, 'tools');
  const cursor = member(result, 'nextCursor') ?? null;
  if (!Array.isArray(tools)) throw bad('tools is not a list');
  if (cursor !== null && typeof cursor !== 'string') throw bad('nextCursor is not a string');
  return { tools, nextCursor: cursor };
}

/** True when a capability object of `discover` or `initialize` promises tool list announcements. */
export function promisesToolChanges(capabilities: JsonValue | undefined): boolean {
  const tools = isObject(capabilities) ? member(capabilities, 'tools') : undefined;
  return isObject(tools) && member(tools, 'listChanged') === true;
}

export const request = (id: string, method: string, params: JsonObject): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
});

export const cancelled = (requestId: string): JsonObject => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
});

/** What the gateway, which offers servers nothing, says to a request of theirs: ping is answered, the rest is unknown. */
export function answerServerRequest(id: JsonValue, method: string): JsonObject {
  if (method === 'ping') return { jsonrpc: '2.0', id, result: {} };
  return { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } };
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}
