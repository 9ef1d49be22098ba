import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StreamSink } from '../mcp/exchange.ts';
import { encodeBody, type Reply } from '../mcp/reply.ts';
import { KEEP_ALIVE } from '../mcp/sse-events.ts';
import type { Timers } from '../timers.ts';

export interface AnswerWriterDeps {
  timers: Timers;
  onFault: (error: unknown) => void;
  /** Whether the connection should carry nothing after this answer. */
  isLast: (request: IncomingMessage) => boolean;
  /** Calls back once, when the answer is written or cannot be any more. */
  whenOver: (response: ServerResponse, run: () => void) => void;
  /** Told of a request whose answer closes its connection. */
  onLast: (request: IncomingMessage) => void;
}

/** Milliseconds, and bytes, for a client that still sends to finish, before a refusal closes the connection. */
const LINGER = 1_000;
const LINGER_BYTES = 1_048_576;
/** Milliseconds for a client to take an answer that is complete. */
const TAKE = 60_000;
/** Bytes that a client may leave unread on a stream. */
const MAX_UNREAD = 4_194_304;

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
};

/** Writes answers to requests, to clients that may not read them. */
export class AnswerWriter {
  readonly #deps: AnswerWriterDeps;

  constructor(deps: AnswerWriterDeps) {
    this.#deps = deps;
  }

  reply(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Reply): void {
    if (body === null) this.#write(request, response, status, headers, '');
    else this.#write(request, response, status, { ...headers, ...typed('application/json') }, this.#encode(body));
  }

  text(request: IncomingMessage, response: ServerResponse, mediaType: string, text: string): void {
    this.#write(request, response, 200, typed(mediaType), text);
  }

  /** Opens a stream of events; resolves when it is over. */
  stream(request: IncomingMessage, response: ServerResponse, attach: (sink: StreamSink) => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const sink = this.#sink(response);
    sink.onClose(resolve);
    if (!isGone(request, response)) {
      // MCP26-27: nothing in between may hold events back.
      const headers = { ...HEADERS, ...typed('text/event-stream'), 'X-Accel-Buffering': 'no' };
      response.writeHead(200, { ...headers, ...this.#connection(request) });
      response.flushHeaders();
    }
    attach(sink);
    return promise;
  }

  #encode(body: NonNullable<Reply['body']>): string {
    return encodeBody(body, this.#deps.onFault);
  }

  #write(
    request: IncomingMessage,
    response: ServerResponse,
    status: number,
    headers: Record<string, string>,
    payload: string,
  ): void {
    if (isGone(request, response)) return;
    const unread = !request.complete && hasBody(request);
    const length = status === 204 ? {} : { 'Content-Length': Buffer.byteLength(payload) };
    response.writeHead(status, { ...HEADERS, ...headers, ...length, ...this.#connection(request, unread) });
    if (unread) this.#linger(request, response, payload);
    else this.#end(response, payload);
  }

  #connection(request: IncomingMessage, unread = false): Record<string, string> {
    if (!unread && !this.#deps.isLast(request)) return {};
    this.#deps.onLast(request);
    return { Connection: 'close' };
  }

  /** LIFE-01: who never reads the end of an answer does not keep it. */
  #end(response: ServerResponse, payload = ''): void {
    // Of what is closed already no other end is told.
    if (response.writableEnded || response.destroyed) return;
    this.#deps.whenOver(
      response,
      this.#deps.timers.after(TAKE, () => response.destroy()),
    );
    response.end(payload);
  }

  /** Closing on a client that still sends would reset the connection before it has read the refusal. */
  #linger(request: IncomingMessage, response: ServerResponse, payload: string): void {
    let discarded = 0;
    const end = (): void => {
      cancel();
      this.#end(response);
    };
    const cancel = this.#deps.timers.after(LINGER, end);
    request.on('data', (chunk: Buffer) => {
      discarded += chunk.length;
      // Not ended at once: all of it may have come in one turn, in which the client has read nothing.
      if (discarded > LINGER_BYTES) request.pause();
    });
    request.once('end', end).once('close', end);
    response.write(payload);
    request.resume();
  }

  #sink(response: ServerResponse): StreamSink {
    const over = (): boolean => isGone(response.req, response) || response.writableEnded;
    const write = (text: string): void => {
      if (over()) return;
      if (response.writableLength > MAX_UNREAD) response.destroy();
      else response.write(text);
    };
    return {
      write,
      get full() {
        return response.writableNeedDrain;
      },
      beat: () => {
        // Nothing was read since the buffer was full: nobody reads.
        if (response.writableNeedDrain) response.destroy();
        else write(KEEP_ALIVE);
      },
      end: () => this.#end(response),
      onClose: (listener) => this.#deps.whenOver(response, listener),
    };
  }
}

function isGone({ socket }: IncomingMessage, response: ServerResponse): boolean {
  return response.destroyed || socket.destroyed;
}

function typed(mediaType: string): Record<string, string> {
  return { 'Content-Type': mediaType };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
