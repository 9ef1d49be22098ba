import { GatewayError } from '../../errors.ts';
import { type EndpointOptions, HttpEndpoint, type HttpHandlers, type Peer } from '../http-endpoint.ts';
import type { MonotonicTimers } from '../monotonic.ts';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 65_536;

/** The part of `fetch` that a token request needs. */
export type TokenRequest = (
  url: string,
  options: { body?: unknown; headers: Record<string, string> },
) => Promise<Response>;

/**
 * Sends token requests over guarded connections: bounded in time and size, no redirect followed, and to nobody whom `peer` refuses.
 * Rejects with GatewayError UPSTREAM_UNAVAILABLE.
 */
export function tokenRequest(
  peer: Peer,
  options: EndpointOptions,
  timers: Pick<MonotonicTimers, 'after'>,
): TokenRequest {
  return async (url, { body, headers }) => {
    const endpoint = new HttpEndpoint(url, () => ({}), peer, { ...options, connections: 1 });
    try {
      return await answered(endpoint, String(body ?? ''), headers, timers);
    } finally {
      await endpoint.close();
    }
  };
}

function answered(
  endpoint: HttpEndpoint,
  body: string,
  headers: Record<string, string>,
  timers: Pick<MonotonicTimers, 'after'>,
): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const fail = (why: string): void => reject(new GatewayError('UPSTREAM_UNAVAILABLE', `the token endpoint: ${why}`));
  const stop = timers.after(TIMEOUT_MS, () => fail(`no answer within ${TIMEOUT_MS} ms`));
  const chunks: Buffer[] = [];
  let init: ResponseInit = {};
  let size = 0;
  const handlers: HttpHandlers = {
    head: (status, fields) => {
      init = {
        status,
        headers: Object.entries(fields).flatMap(([name, value]) =>
          [value ?? []].flat().map((each) => [name, each] as [string, string]),
        ),
      };
    },
    data: (chunk) => {
      size += chunk.length;
      if (size > MAX_BYTES) fail(`its answer is longer than ${MAX_BYTES} bytes`);
      else chunks.push(chunk);
    },
    end: () => resolve(new Response(Buffer.concat(chunks), init)),
    fail: (error) => fail(error.message),
  };
  endpoint.send('POST', Object.entries(headers), body, handlers);
  return promise.finally(stop);
}
