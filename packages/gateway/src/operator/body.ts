import type { IncomingMessage } from 'node:http';
import { isObject, JsonError, type JsonObject, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { BodyAborted } from '../ingress/body.ts';

const BODY_BYTES = 16_384;

/** @throws GatewayError BODY_TOO_LARGE, or BodyAborted */
export async function readBytes(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > BODY_BYTES) throw new GatewayError('BODY_TOO_LARGE', `more than ${BODY_BYTES} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (!isBrokenOff(error)) throw error;
    throw new BodyAborted('the client closed the connection');
  }
  return Buffer.concat(chunks);
}

function isBrokenOff(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
}

/** The JSON object that an operator sent. An empty body counts as `{}`. @throws GatewayError PARSE_ERROR, INVALID_PARAMS */
export function objectIn(body: Uint8Array): JsonObject {
  if (body.length === 0) return {};
  const value = parsed(body);
  if (!isObject(value)) throw new GatewayError('INVALID_PARAMS', 'send a JSON object');
  return value;
}

function parsed(body: Uint8Array): ReturnType<typeof parseJson> {
  try {
    return parseJson(body);
  } catch (error) {
    if (error instanceof JsonError) throw new GatewayError('PARSE_ERROR', error.message);
    throw error;
  }
}
