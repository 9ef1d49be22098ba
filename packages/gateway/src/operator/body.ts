import type { IncomingMessage } from 'node:http';
import { isObject, JsonError, type JsonObject, type JsonValue, member, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';

const BODY_BYTES = 16_384;
const TEXT_LENGTH = 500;
/** As the reason of an entry these words say that a kill switch was thrown (wire-formats section 7.1). */
const KILLED = 'kill_switch_triggered';

/**
 * The JSON object that an operator sent, with no other members than these. An empty body counts as `{}`.
 *
 * @throws GatewayError BODY_TOO_LARGE, PARSE_ERROR, INVALID_PARAMS
 */
export async function readObject(request: IncomingMessage, known: readonly string[]): Promise<JsonObject> {
  const body = await readBytes(request);
  const value = body.length === 0 ? {} : parsed(body);
  if (!isObject(value)) throw new GatewayError('INVALID_PARAMS', 'send a JSON object');
  const other = Object.keys(value).find((key) => !known.includes(key));
  if (other !== undefined)
    throw new GatewayError('INVALID_PARAMS', `unknown member ${JSON.stringify(other)}; known: ${known.join(', ')}`);
  return value;
}

/** What goes into an entry: printable ASCII, bounded (D-51). */
export function textIn(value: JsonObject, key: string): string {
  const text = member(value, key);
  if (text === KILLED)
    throw new GatewayError('INVALID_PARAMS', `${KILLED} has a meaning of its own in entries; say it otherwise`);
  if (typeof text === 'string' && /^[\x20-\x7e]+$/.test(text) && text.length <= TEXT_LENGTH) return text;
  throw new GatewayError('INVALID_PARAMS', `send {"${key}": "…"}: printable ASCII, 1 to ${TEXT_LENGTH} characters`);
}

/** @throws GatewayError BODY_TOO_LARGE */
export async function readBytes(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES) throw new GatewayError('BODY_TOO_LARGE', `more than ${BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @throws GatewayError PARSE_ERROR */
export function parsed(body: Uint8Array): JsonValue {
  try {
    return parseJson(body);
  } catch (error) {
    if (error instanceof JsonError) throw new GatewayError('PARSE_ERROR', error.message);
    throw error;
  }
}
