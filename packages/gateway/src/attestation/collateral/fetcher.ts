import { Agent, request } from 'undici';
import type { Timers } from '../../timers.ts';

/** An answer to a GET, whatever its status. */
export interface Fetched {
  status: number;
  /** The value of a header, null when it is not there once. */
  header(name: string): string | null;
  body: Uint8Array<ArrayBuffer>;
}

/** Why nothing was fetched, in plain words. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
}

/** Gets a URL, and follows nothing. Rejects with FetchError, also for a body of more than `most` bytes. */
export type Fetcher = (url: URL, most: number) => Promise<Fetched>;

/** How long one answer may take, milliseconds. */
const ANSWER_MS = 30_000;

/** A fetcher over the network of this machine. */
export function networkFetcher(timers: Timers): Fetcher {
  return async (url, most) => {
    const agent = new Agent();
    const late = new AbortController();
    const cancel = timers.after(ANSWER_MS, () => late.abort());
    try {
      const { statusCode, headers, body } = await request(url, { dispatcher: agent, signal: late.signal });
      return { status: statusCode, header: (name) => single(headers[name]), body: await collected(body, most) };
    } catch (error) {
      if (late.signal.aborted) throw new FetchError(`no answer within ${ANSWER_MS / 1000} s`);
      if (error instanceof FetchError || !isOfNetwork(error)) throw error;
      throw new FetchError(error.message, { cause: error });
    } finally {
      cancel();
      // Also ends what is still on its way of an answer that was too large.
      await agent.destroy();
    }
  };
}

/** Errors of sockets, of TLS and of undici name their code. */
function isOfNetwork(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

function single(value: string | string[] | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

async function collected(body: AsyncIterable<Uint8Array>, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > most) throw new FetchError(`the answer has more than ${most} bytes`);
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts, length));
}
