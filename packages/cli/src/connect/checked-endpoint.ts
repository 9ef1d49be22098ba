import { HttpEndpoint, type HttpHandlers, type HttpRequest, type Peer } from '@cmcp/gateway/client';
import { ConnectFailure } from './failure.ts';
import { type Gate, RecheckNeeded } from './gate.ts';

/** A connection that needs another check first is tried again after it, so often at most. */
const MAX_TRIES = 3;

export interface CheckedEndpointDeps {
  url: URL;
  /** Sent with every request, and only over connections that a check covers. */
  token: string | null;
  authorities: Peer['authorities'];
  gate: Gate;
}

/** How a request ends without an answer; `sent` as in {@link HttpHandlers}. */
export interface CheckedHandlers extends Omit<HttpHandlers, 'fail'> {
  fail(failure: ConnectFailure): void;
}

/** The gateway's endpoint, reachable only over connections that a check covers. */
export class CheckedEndpoint {
  readonly #deps: CheckedEndpointDeps;
  #endpoint: HttpEndpoint;

  /** @throws GatewayError UPSTREAM_UNAVAILABLE when the URL is not acceptable */
  constructor(deps: CheckedEndpointDeps) {
    this.#deps = deps;
    this.#endpoint = this.#open();
  }

  /** Sends one request as soon as a check covers it. */
  send(
    method: 'GET' | 'POST' | 'DELETE',
    fields: [string, string][],
    body: string | null,
    handlers: CheckedHandlers,
  ): Pick<HttpRequest, 'abort' | 'pause' | 'resume'> {
    const dispatch = (tell: HttpHandlers): HttpRequest => this.#endpoint.send(method, fields, body, tell);
    const sending = new Sending(this.#deps.gate, dispatch, handlers);
    void sending.start();
    return sending;
  }

  /** Gives up every connection; requests under way fail, and later ones get new connections. */
  cut(): void {
    void this.#endpoint.close();
    this.#endpoint = this.#open();
  }

  close(): Promise<void> {
    return this.#endpoint.close();
  }

  #open(): HttpEndpoint {
    const { url, token, authorities, gate } = this.#deps;
    const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
    return new HttpEndpoint(url.href, () => headers, { authorities, refuse: (socket) => gate.admit(socket) });
  }
}

/** One request: waits for the check, and goes out again when the connection that it would have gone over was refused. */
class Sending {
  readonly #gate: Gate;
  readonly #dispatch: (handlers: HttpHandlers) => HttpRequest;
  readonly #handlers: CheckedHandlers;
  #request: HttpRequest | null = null;
  #aborted = false;
  #tries = 0;

  constructor(gate: Gate, dispatch: (handlers: HttpHandlers) => HttpRequest, handlers: CheckedHandlers) {
    this.#gate = gate;
    this.#dispatch = dispatch;
    this.#handlers = handlers;
  }

  async start(): Promise<void> {
    try {
      await this.#gate.ready();
    } catch (error) {
      if (!(error instanceof ConnectFailure)) throw error;
      if (!this.#aborted) this.#handlers.fail(error);
      return;
    }
    if (this.#aborted) return;
    this.#tries += 1;
    this.#request = this.#dispatch({ ...this.#handlers, fail: (error, sent) => this.#failed(error, sent) });
  }

  abort(): void {
    this.#aborted = true;
    this.#request?.abort();
  }

  pause(): void {
    this.#request?.pause();
  }

  resume(): void {
    this.#request?.resume();
  }

  #failed(error: Error, sent: boolean): void {
    if (this.#aborted) return;
    if (error instanceof RecheckNeeded && this.#tries < MAX_TRIES) void this.start();
    else this.#handlers.fail(sent ? lost(error) : unreached(error));
  }
}

function lost(cause: Error): ConnectFailure {
  const detail = `the connection to the gateway was lost (${cause.message}): whether it acted on the message is not known`;
  return new ConnectFailure('outcome_unknown', detail, { cause });
}

function unreached(cause: Error): ConnectFailure {
  return new ConnectFailure('not_reached', `the gateway cannot be reached (${cause.message}): nothing was sent`, {
    cause,
  });
}
