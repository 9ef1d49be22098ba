import { accepts, type HttpAnswer, type HttpExchange, type StreamSink } from '../exchange.ts';
import type { RpcMessage, RpcRequest } from '../jsonrpc.ts';
import { keepAlive, type MessageStream, PostAnswer } from '../post-answer.ts';
import { encodeReply, Replies, type Reply } from '../reply.ts';
import { formatEvent } from '../sse-events.ts';
import { modernStyle } from './error-style.ts';
import { LISTEN, type ModernDeps, ModernServer } from './server.ts';

/** Streamable HTTP of 2026-07-28: POST only, and a stream belongs to the request that it answers. */
export class ModernEndpoint {
  readonly #deps: ModernDeps;
  readonly #server: ModernServer;
  readonly #replies: Replies;

  constructor(deps: ModernDeps) {
    this.#deps = deps;
    this.#server = new ModernServer(deps);
    this.#replies = new Replies(deps.gateway, modernStyle, deps.onFault);
  }

  async post(message: Exclude<RpcMessage, { kind: 'malformed' }>, exchange: HttpExchange): Promise<HttpAnswer> {
    // MCP26-04: a client of this family has nothing to respond to.
    if (message.kind === 'response') return this.#replies.refuse(null, 'INVALID_REQUEST');
    if (message.kind === 'notification') return this.#server.notified(message, exchange.headers);
    return message.method === LISTEN ? await this.#listen(message, exchange) : await this.#answer(message, exchange);
  }

  endStreams(): void {
    this.#server.endListening();
  }

  close(): void {
    this.#server.close();
  }

  async #answer(request: RpcRequest, { caller, headers, closed }: HttpExchange): Promise<HttpAnswer> {
    const { timers, onFault } = this.#deps;
    const stream = accepts(headers, 'text/event-stream') ? plainStream : null;
    const post = new PostAnswer({ timers, stream, onFault });
    // MCP26-26: who closes the connection cancels.
    const answered = this.#server.answer(request, { caller, headers, signal: closed }, post);
    void answered.then((reply) => post.finish(reply));
    return await post.answer;
  }

  async #listen(request: RpcRequest, { caller, headers, closed }: HttpExchange): Promise<HttpAnswer> {
    if (!accepts(headers, 'text/event-stream')) return this.#replies.refuse(request.id, 'NOT_ACCEPTABLE');
    const listening = await this.#server.listen(request, { caller, headers, signal: closed });
    if ('status' in listening) return listening satisfies Reply;
    const { timers, onFault } = this.#deps;
    return {
      stream: (sink) => {
        sink.onClose(() => listening.end());
        keepAlive(sink, timers);
        const stream = plainStream(sink);
        listening.begin({
          send: (message) => stream.send(encodeReply(message, onFault), false),
          end: () => stream.end(),
        });
      },
    };
  }
}

/** Events without ids: a stream that is lost is not resumed (MCP26-27). */
function plainStream(sink: StreamSink): MessageStream {
  return {
    send(data, expendable) {
      if (!(expendable && sink.full)) sink.write(formatEvent({ data }));
    },
    end: () => sink.end(),
  };
}
