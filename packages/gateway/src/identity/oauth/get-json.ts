import { decodeUtf8, EncodingError, isObject, JsonError, type JsonObject, parseJson } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import type { Timers } from '../../timers.ts';
import { type EndpointOptions, HttpEndpoint, type HttpHandlers, type Peer } from '../../upstream/http-endpoint.ts';

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 262_144;

/** Gets a JSON object, or null where the answer is another status than 200. Rejects with GatewayError IDENTITY_UNAVAILABLE. */
export type GetJson = (url: string) => Promise<JsonObject | null>;

/** Gets it over guarded connections: bounded in time and size, no redirect followed, from nobody whom `peer` refuses. */
export function getJson(peer: Peer, options: EndpointOptions, timers: Pick<Timers, 'after'>): GetJson {
  return async (url) => {
    const endpoint = openEndpoint(url, peer, options);
    try {
      const answered = await textAt(endpoint, url, timers);
      return answered === null ? null : objectIn(answered, url);
    } finally {
      await endpoint.close();
    }
  };
}

function openEndpoint(url: string, peer: Peer, options: EndpointOptions): HttpEndpoint {
  try {
    return new HttpEndpoint(url, () => ({}), peer, { ...options, connections: 1 });
  } catch (error) {
    if (error instanceof GatewayError) throw unavailable(url, error.detail);
    throw error;
  }
}

function textAt(endpoint: HttpEndpoint, url: string, timers: Pick<Timers, 'after'>): Promise<Buffer | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | null>();
  const fail = (why: string): void => reject(unavailable(url, why));
  const stop = timers.after(TIMEOUT_MS, () => fail(`no answer within ${TIMEOUT_MS} ms`));
  const chunks: Buffer[] = [];
  let status = 0;
  let size = 0;
  const handlers: HttpHandlers = {
    head: (answered) => {
      status = answered;
    },
    data: (chunk) => {
      size += chunk.length;
      if (size > MAX_BYTES) fail(`its answer is longer than ${MAX_BYTES} bytes`);
      else chunks.push(chunk);
    },
    end: () => resolve(status === 200 ? Buffer.concat(chunks) : null),
    fail: (error) => fail(error.message),
  };
  endpoint.send('GET', [['accept', 'application/json']], null, handlers);
  return promise.finally(stop);
}

function objectIn(bytes: Buffer, url: string): JsonObject {
  try {
    const value = parseJson(decodeUtf8(bytes));
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof EncodingError) && !(error instanceof JsonError)) throw error;
  }
  throw unavailable(url, 'its answer is no JSON object');
}

export function unavailable(url: string, why: string): GatewayError {
  return new GatewayError('IDENTITY_UNAVAILABLE', `${url}: ${why}`);
}
