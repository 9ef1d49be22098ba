/** What servers answer requests with: a result or an error, and the shape that a result must have for its method. */
import { isObject, type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { UpstreamRpcError } from '../upstream/types.ts';

const MAX_COMPLETIONS = 100;

/**
 * The `result` of a response, as it came.
 * @throws GatewayError UPSTREAM_TOOL_ERROR (cause UpstreamRpcError) for an error answer, UPSTREAM_PROTOCOL_ERROR for a bad one
 */
export function readResult(message: JsonObject): JsonObject {
  const result = member(message, 'result');
  const error = member(message, 'error');
  if (member(message, 'jsonrpc') !== '2.0') throw bad('the response is not JSON-RPC 2.0');
  if ((result === undefined) === (error === undefined)) throw bad('the response needs exactly one of result and error');
  if (error !== undefined) throw readError(error);
  if (!isObject(result)) throw bad('the result is not an object');
  return result;
}

function readError(error: JsonValue): GatewayError {
  const code = isObject(error) ? member(error, 'code') : undefined;
  const message = isObject(error) ? member(error, 'message') : undefined;
  if (!isObject(error) || typeof code !== 'number' || typeof message !== 'string') return bad('the error is malformed');
  const cause = new UpstreamRpcError(code, message, member(error, 'data'));
  // Operators are told the code, and no number that a server put in its place.
  const known = Number.isInteger(code) && Math.abs(code) < 100_000 ? ` ${code}` : '';
  return new GatewayError('UPSTREAM_TOOL_ERROR', `the server answered with error${known}`, { cause });
}

/** MCP26-18: absent counts as complete, and complete is bookkeeping and removed. Null: the result is of another type. */
export function completeResult(result: JsonObject): JsonObject | null {
  const type = member(result, 'resultType');
  if (type === undefined) return result;
  if (type !== 'complete') return null;
  const { resultType: _, ...rest } = result;
  return rest;
}

/**
 * Checks that a complete result has the shape that its method promises; other methods have none to check.
 * @throws GatewayError UPSTREAM_PROTOCOL_ERROR: an empty or malformed result is never success (LIFE-05)
 */
export function checkShape(method: string, result: JsonObject): void {
  const meta = member(result, '_meta');
  if (meta !== undefined && !isObject(meta)) throw bad('_meta is not an object');
  SHAPES.get(method)?.(result);
}

const SHAPES: ReadonlyMap<string, (result: JsonObject) => void> = new Map([
  ['tools/call', checkToolResult],
  ['resources/read', checkContents],
  ['prompts/get', checkMessages],
  ['completion/complete', checkCompletion],
]);

function checkToolResult(result: JsonObject): void {
  const content = member(result, 'content');
  const isError = member(result, 'isError');
  if (content === undefined && member(result, 'structuredContent') === undefined) {
    throw bad('the result holds no content');
  }
  if (content !== undefined && !(Array.isArray(content) && content.every(isBlock))) {
    throw bad('content is not a list of content blocks');
  }
  if (isError !== undefined && typeof isError !== 'boolean') throw bad('isError is not a boolean');
}

/** MCP26-38: a resource that does not exist is an error, so a result without contents is none. */
function checkContents(result: JsonObject): void {
  const contents = member(result, 'contents');
  if (!Array.isArray(contents) || contents.length === 0 || !contents.every(isContents)) {
    throw bad('contents is not a list of resource contents');
  }
}

function checkMessages(result: JsonObject): void {
  const messages = member(result, 'messages');
  if (!Array.isArray(messages) || !messages.every(isMessage)) throw bad('messages is not a list of prompt messages');
}

function checkCompletion(result: JsonObject): void {
  const completion = member(result, 'completion');
  if (!isObject(completion)) throw bad('the result holds no completion');
  const values = member(completion, 'values');
  const total = member(completion, 'total');
  const hasMore = member(completion, 'hasMore');
  if (!Array.isArray(values) || !values.every((value) => typeof value === 'string')) {
    throw bad('values is not a list of strings');
  }
  if (values.length > MAX_COMPLETIONS) throw bad(`more than ${MAX_COMPLETIONS} values`);
  if (total !== undefined && typeof total !== 'number') throw bad('total is not an integer');
  if (hasMore !== undefined && typeof hasMore !== 'boolean') throw bad('hasMore is not a boolean');
}

function isBlock(block: JsonValue): boolean {
  return isObject(block) && typeof member(block, 'type') === 'string';
}

function isContents(item: JsonValue): boolean {
  if (!isObject(item) || typeof member(item, 'uri') !== 'string') return false;
  return typeof member(item, 'text') === 'string' || typeof member(item, 'blob') === 'string';
}

function isMessage(message: JsonValue): boolean {
  if (!isObject(message)) return false;
  const role = member(message, 'role');
  const content = member(message, 'content');
  return (role === 'user' || role === 'assistant') && content !== undefined && isBlock(content);
}

function bad(detail: string): GatewayError {
  return new GatewayError('UPSTREAM_PROTOCOL_ERROR', detail);
}
