import type { JsonObject } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import { request } from '../mcp/client.ts';
import { refusesRevision } from '../mcp/modern/client.ts';
import { ChangeStream } from './change-stream.ts';
import type { Channel, ChannelRequest } from './channel.ts';
import type { EventLog } from './event-log.ts';
import { resultOf } from './http-answer.ts';
import { checkConfiguredHeaders, HttpEndpoint } from './http-endpoint.ts';
import { negotiateHttp } from './http-negotiation.ts';
import type { PostAnswer } from './http-post.ts';
import { HttpSender, sessionField, type Terms } from './http-sender.ts';
import type { MonotonicTimers } from './monotonic.ts';
import { pinnedPeer } from './pinned-peer.ts';
import { Scope } from './scope.ts';
import type { UpstreamSettings } from './types.ts';

export interface HttpChannelOptions {
  target: { url: string; tlsFingerprint: string | null };
  settings: UpstreamSettings;
  ca: string[] | null;
  log: EventLog;
  timers: MonotonicTimers;
  onChanged: () => void;
}

/** What was agreed with the server; for handshake revisions, one session. */
interface Agreement extends Terms {
  changes: ChangeStream | null;
}

interface Connected {
  endpoint: HttpEndpoint;
  sender: HttpSender;
}

/** A Streamable HTTP server of either revision family. */
export class HttpChannel implements Channel {
  readonly #options: HttpChannelOptions;
  readonly #headers: Record<string, string>;
  #connected: Connected | null = null;
  #agreement: Agreement | null = null;
  #opening: Promise<Agreement> | null = null;
  #closing: Promise<void> | null = null;
  #ids = 0;
  #agreedBefore = false;

  /** @throws GatewayError CONFIG_INVALID */
  constructor(options: HttpChannelOptions) {
    this.#options = options;
    this.#headers = checkConfiguredHeaders(options.settings.headers);
  }

  async exchange(sent: ChannelRequest, scope: Scope): Promise<JsonObject> {
    sent.admit(0);
    const { sender } = this.#connect();
    let agreement = await this.#agreed(scope);
    let answer = await sender.request(sent, agreement, scope);
    if (isSessionEnd(answer, agreement)) {
      // LIFE-04: 404 says that the session, and with it this request, was not known; once more in a new session.
      this.#forget(agreement);
      agreement = await this.#agreed(scope);
      answer = await sender.request(sent, agreement, scope);
    }
    if (isSessionEnd(answer, agreement)) {
      this.#forget(agreement);
      throw unavailable('the server ended two sessions in a row');
    }
    try {
      return resultOf(answer);
    } catch (error) {
      if (error instanceof GatewayError && refusesRevision(error.cause)) this.#forget(agreement);
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const agreement = this.#agreement;
    agreement?.changes?.close();
    if (agreement !== null && agreement.session !== null) await this.#connected?.sender.endSession(agreement);
    await this.#connected?.endpoint.close();
    await Promise.allSettled([this.#opening]);
  }

  /** @throws GatewayError UPSTREAM_UNAVAILABLE when the catalog's URL or pin is not acceptable, or after close */
  #connect(): Connected {
    if (this.#closing !== null) throw unavailable('the connection to the server is closed');
    if (this.#connected === null) {
      const { target, ca, settings, log, timers, onChanged } = this.#options;
      const endpoint = new HttpEndpoint(target.url, this.#headers, pinnedPeer(target.tlsFingerprint, ca));
      const { maxResponseBytes } = settings;
      const sender = new HttpSender({ endpoint, maxResponseBytes, log, timers, onToolListChange: onChanged });
      this.#connected = { endpoint, sender };
    }
    return this.#connected;
  }

  #agreed(scope: Scope): Promise<Agreement> {
    if (this.#agreement !== null) return Promise.resolve(this.#agreement);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return scope.race(this.#opening);
  }

  async #open(): Promise<Agreement> {
    const { settings, timers, log, onChanged } = this.#options;
    const scope = new Scope(new AbortController().signal, settings.timeoutMs, timers);
    try {
      const { sender } = this.#connect();
      const terms = await negotiateHttp(sender, () => this.#nextId(), scope);
      const agreement = { ...terms, changes: this.#watch(terms) };
      this.#agreement = agreement;
      log.write('connected', agreement.session === null ? 'stateless' : 'new session');
      // A new session may be with another server than the one whose definitions were compared.
      if (this.#agreedBefore) onChanged();
      this.#agreedBefore = true;
      return agreement;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      log.write('connect_failed', error.detail);
      throw unavailable(error.detail, error);
    } finally {
      scope.dispose();
    }
  }

  #watch({ dialect, session }: Terms): ChangeStream | null {
    const { endpoint } = this.#connect();
    if (!dialect.announcesChanges) return null;
    const { listen } = dialect;
    const params = dialect.params(listen?.params ?? {});
    return new ChangeStream({
      endpoint,
      body: () => (listen === null ? null : request(this.#nextId(), listen.method, params)),
      fields: [...dialect.headers(listen?.method ?? '', params, null), ...sessionField(session)],
      timers: this.#options.timers,
      onChanged: this.#options.onChanged,
    });
  }

  #forget(agreement: Agreement): void {
    agreement.changes?.close();
    if (this.#agreement === agreement) this.#agreement = null;
  }

  #nextId(): string {
    this.#ids += 1;
    return `cmcp-${this.#ids}`;
  }
}

const isSessionEnd = (answer: PostAnswer, agreement: Agreement): boolean =>
  answer.status === 404 && agreement.session !== null;

function unavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail, { cause });
}
