import { GatewayError } from '../../errors.ts';
import type { Timers } from '../../timers.ts';
import type { HttpEndpoint, HttpRequest } from '../../upstream/http-endpoint.ts';
import { classifierFailed, MAX_ANSWER_BYTES } from './protocol.ts';

/**
 * Sends one request and gives the body of its answer: bounded in time, waiting for a connection included, and in size; any status but
 * 200 is a failure, a redirect too.
 * @throws GatewayError INSPECTION_FAILED
 */
export async function post(
  endpoint: Pick<HttpEndpoint, 'send'>,
  body: string,
  timeoutMs: number,
  timers: Pick<Timers, 'after'>,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const fail = (why: string): void => reject(classifierFailed(why));
  const stop = timers.after(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`));
  const chunks: Buffer[] = [];
  let size = 0;
  const request: HttpRequest = endpoint.send('POST', FIELDS, body, {
    head: (status) => {
      if (status !== 200) fail(`it answered with status ${status}`);
    },
    data: (chunk) => {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) fail(`its answer is longer than ${MAX_ANSWER_BYTES} bytes`);
      else chunks.push(chunk);
    },
    end: () => resolve(Buffer.concat(chunks)),
    fail: (error) => fail(error.message),
  });
  try {
    return await promise;
  } catch (error) {
    if (error instanceof GatewayError) request.abort();
    throw error;
  } finally {
    stop();
  }
}

const FIELDS: [string, string][] = [
  ['content-type', 'application/json'],
  ['accept', 'application/json'],
];
