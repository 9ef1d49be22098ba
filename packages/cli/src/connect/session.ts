import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError, type RpcRequest, readSessionId } from '@cmcp/gateway/client';
import { type Answer, type ExchangeDeps, exchange, invalidAnswer } from './exchange.ts';
import { ServerStream } from './server-stream.ts';

const PROTOCOL_VERSION = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;
/** For the end of a session to be heard, in milliseconds. */
const GOODBYE_MS = 5_000;
const INITIALIZED = 'notifications/initialized';

/** A session of a handshake revision (2025-11-25 and before). */
export class Session {
  readonly #deps: ExchangeDeps;
  /** Sent with every message of the session. */
  readonly #fields: [string, string][];
  readonly #id: string | null;
  readonly #onNote: (what: string) => void;
  #stream: ServerStream | null = null;

  constructor(deps: ExchangeDeps, id: string | null, version: string, onNote: (what: string) => void) {
    this.#deps = deps;
    this.#id = id;
    this.#onNote = onNote;
    this.#fields = [['mcp-protocol-version', version]];
    if (id !== null) this.#fields.push(['mcp-session-id', id]);
  }

  /** Sends a request and waits for its answer. @throws ConnectFailure */
  request({ id }: RpcRequest, message: JsonObject, signal: AbortSignal): Promise<Answer> {
    return exchange({ message, id, fields: this.#fields, inSession: this.#id !== null, signal }, this.#deps);
  }

  /** Sends a notification, or a response to a request of the server's. @throws ConnectFailure */
  async notify(message: JsonObject, signal: AbortSignal): Promise<Answer> {
    const post = { message, id: null, fields: this.#fields, inSession: this.#id !== null, signal };
    const answer = await exchange(post, this.#deps);
    // From here on the server may speak first.
    if (member(message, 'method') === INITIALIZED && answer.status < 300) this.#listen();
    return answer;
  }

  /** Stops listening. */
  close(): void {
    this.#stream?.close();
  }

  /** Tells the gateway that the session is over, as far as it still listens. */
  async end(): Promise<void> {
    const { endpoint, timers } = this.#deps;
    this.close();
    if (this.#id === null) return;
    await new Promise<void>((resolve) => {
      const stop = timers.after(GOODBYE_MS, () => done());
      const done = (): void => {
        stop();
        resolve();
      };
      endpoint.send('DELETE', this.#fields, null, { head: done, data: () => {}, end: done, fail: done });
    });
  }

  #listen(): void {
    if (this.#stream !== null) return;
    this.#stream = new ServerStream({ ...this.#deps, fields: this.#fields, onNote: this.#onNote });
  }
}

/** Sends `initialize` and waits for its answer. @throws ConnectFailure */
export async function openSession(
  { id }: RpcRequest,
  message: JsonObject,
  signal: AbortSignal,
  deps: ExchangeDeps,
  onNote: (what: string) => void,
): Promise<{ answer: Answer; session: Session | null }> {
  const answer = await exchange({ message, id, fields: [], inSession: false, signal }, deps);
  const result = answer.response === null ? undefined : member(answer.response, 'result');
  if (!isObject(result)) return { answer, session: null };
  const version = member(result, 'protocolVersion');
  if (typeof version !== 'string' || !PROTOCOL_VERSION.test(version))
    throw invalidAnswer('it names no protocol version');
  return { answer, session: new Session(deps, sessionIn(answer), version, onNote) };
}

function sessionIn({ headers }: Answer): string | null {
  try {
    return readSessionId(headers);
  } catch (error) {
    if (error instanceof GatewayError) throw invalidAnswer(error.detail, error);
    throw error;
  }
}
