import type { GatewayError } from '../errors.ts';
import type { Timers } from '../timers.ts';
import type { HttpEndpoint, HttpHandlers, HttpRequest } from './http-endpoint.ts';

/** One request of the gateway's own to a service of the operator. */
export interface Posting {
  body: string;
  /** Header fields besides those that say what the body is. */
  fields?: readonly [string, string][];
  timeoutMs: number;
  maxAnswerBytes: number;
  /** Whether a status is one of an answer. */
  accepts: (status: number) => boolean;
  /** The error of a service that has not answered. */
  failure: (why: string) => GatewayError;
}

export interface Posted {
  status: number;
  headers: Parameters<HttpHandlers['head']>[1];
  body: Uint8Array;
}

/**
 * Sends one request and gives its answer: bounded in time, waiting for a connection included, and in size; a redirect is not followed.
 * @throws GatewayError what `failure` makes
 */
export async function post(
  endpoint: Pick<HttpEndpoint, 'send'>,
  { body, fields = [], timeoutMs, maxAnswerBytes, accepts, failure }: Posting,
  timers: Pick<Timers, 'after'>,
): Promise<Posted> {
  const { promise, resolve, reject } = Promise.withResolvers<Posted>();
  const fail = (why: string): void => reject(failure(why));
  const stop = timers.after(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`));
  const chunks: Buffer[] = [];
  let size = 0;
  const answer: Pick<Posted, 'status' | 'headers'> = { status: 0, headers: {} };
  const request: HttpRequest = endpoint.send('POST', [...FIELDS, ...fields], body, {
    head: (status, headers) => {
      Object.assign(answer, { status, headers });
      if (!accepts(status)) fail(`it answered with status ${status}`);
    },
    data: (chunk) => {
      size += chunk.length;
      if (size > maxAnswerBytes) fail(`its answer is longer than ${maxAnswerBytes} bytes`);
      else chunks.push(chunk);
    },
    end: () => resolve({ ...answer, body: Buffer.concat(chunks) }),
    fail: (error) => fail(error.message),
  });
  try {
    return await promise;
  } catch (error) {
    request.abort();
    throw error;
  } finally {
    stop();
  }
}

const FIELDS: readonly [string, string][] = [
  ['content-type', 'application/json'],
  ['accept', 'application/json'],
];
