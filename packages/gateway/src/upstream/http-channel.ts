import type { LookupFunction } from 'node:net';
import type { JsonObject } from '@cmcp/evidence';
import type { Egress } from '../egress.ts';
import { GatewayError } from '../errors.ts';
import type { AskKind } from '../mcp/asks.ts';
import { type ClientDialect, OWN_TERMS, request } from '../mcp/client.ts';
import { refusesRevision } from '../mcp/modern/client.ts';
import { Announcements, type Link } from './announcements.ts';
import type { Channel, ChannelRequest } from './channel.ts';
import type { Credential } from './credential/credential.ts';
import type { EventLog } from './event-log.ts';
import { openEventStream } from './event-stream.ts';
import type { Hearing } from './hearing.ts';
import { resultOf } from './http-answer.ts';
import { checkConfiguredHeaders, HttpEndpoint } from './http-endpoint.ts';
import { negotiateHttp } from './http-negotiation.ts';
import type { PostAnswer } from './http-post.ts';
import { HttpSender, sessionFields, type Terms } from './http-sender.ts';
import type { IdentityEvents } from './identity-events.ts';
import type { MonotonicTimers } from './monotonic.ts';
import type { News } from './news.ts';
import type { OwnRequests } from './own-requests.ts';
import { type PinnedTarget, pinnedPeer } from './pinned-peer.ts';
import { Revival } from './revival.ts';
import type { Scope } from './scope.ts';
import { asksAside, SoleRequest } from './sole-request.ts';
import { StandingStream } from './standing-stream.ts';
import type { UpstreamResult, UpstreamSettings } from './types.ts';

/** For what the gateway sends beside the calls: streams, answers, cancellations. */
const SPARE_CONNECTIONS = 16;
const OVERLOADED = 429;

export interface HttpChannelOptions {
  target: { url: string } & PinnedTarget;
  identity: IdentityEvents;
  /** What the catalog lets the server ask. */
  asks: readonly AskKind[];
  settings: UpstreamSettings;
  ca: string[] | null;
  lookup: LookupFunction | null;
  egress: Egress;
  /** What the server is shown of the gateway; null: nothing but the configured fields. */
  credential: Credential | null;
  log: EventLog;
  timers: MonotonicTimers;
  hearing: Hearing;
  news: News;
  /** The ids of everything that the gateway asks this server itself: one sequence for each server. */
  own: OwnRequests;
}

/** What was agreed with the server; for handshake revisions, one session. */
interface Agreement extends Terms {
  standing: StandingStream | null;
  /** The server was told to send log messages. */
  logging: Promise<void> | null;
  sole: SoleRequest;
}

interface Connected {
  endpoint: HttpEndpoint;
  sender: HttpSender;
}

/** A Streamable HTTP server of either revision family. */
export class HttpChannel implements Channel {
  readonly spacesStarts = false;
  readonly #options: HttpChannelOptions;
  readonly #headers: Record<string, string>;
  readonly #own: OwnRequests;
  readonly #announcements: Announcements;
  readonly #revival: Revival;
  #connected: Connected | null = null;
  #agreement: Agreement | null = null;
  #opening: Promise<Agreement> | null = null;
  #closing: Promise<void> | null = null;
  #agreedBefore = false;
  /** The server asks on the stream of its session instead of that of the request. */
  #asksAside = false;

  /** @throws GatewayError CONFIG_INVALID */
  constructor(options: HttpChannelOptions) {
    const { settings, timers, log, hearing, news, own } = options;
    this.#options = options;
    this.#headers = checkConfiguredHeaders(settings.headers);
    this.#own = own;
    this.#announcements = new Announcements({
      own: this.#own,
      timers,
      log,
      onMessage: (message) => void hearing.heard(message, null, null),
      onMissed: (wanted) => news.missed(wanted),
    });
    const again = () => this.#own.within(settings.timeoutMs, (scope) => this.connect(scope));
    this.#revival = new Revival(timers, again, () => this.#announcements.wanted);
  }

  /** A server that does not say for which request it asks is sent one at a time, from when it first did so. */
  get exclusive(): boolean {
    return this.#asksAside;
  }

  async connect(scope: Scope): Promise<ClientDialect> {
    this.#connect();
    return (await this.#agreed(scope)).dialect;
  }

  async exchange(sent: ChannelRequest, scope: Scope): Promise<UpstreamResult> {
    const { sender } = this.#connect();
    let agreement = this.#agreement ?? (await this.#agreed(scope));
    let answer = await this.#send(sender, sent, agreement, scope);
    if (this.#isRefused(answer)) answer = await this.#send(sender, sent, agreement, scope);
    if (isSessionEnd(answer, agreement)) {
      // LIFE-04: 404 says that the session, and with it this request, was not known; once more in a new session.
      this.#forget(agreement);
      agreement = await this.#agreed(scope);
      answer = await this.#send(sender, sent, agreement, scope);
    }
    if (isSessionEnd(answer, agreement)) {
      this.#forget(agreement);
      throw unavailable('the server ended two sessions in a row');
    }
    try {
      return agreement.dialect.outcome(sent, resultOf(answer), sent.terms.offer);
    } catch (error) {
      if (error instanceof GatewayError && refusesRevision(error.cause)) this.#forget(agreement);
      throw error;
    }
  }

  async subscribe(uri: string, scope: Scope): Promise<boolean> {
    const dialect = await this.connect(scope);
    return this.#announcements.add(uri, dialect, this.#requester(scope));
  }

  async unsubscribe(uri: string, scope: Scope): Promise<void> {
    const dialect = await this.connect(scope);
    await this.#announcements.remove(uri, dialect, this.#requester(scope));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const agreement = this.#agreement;
    this.#revival.close();
    this.#announcements.detach();
    agreement?.standing?.close();
    if (agreement !== null && agreement.session !== null) await this.#connected?.sender.endSession(agreement);
    await this.#connected?.endpoint.close();
    await Promise.allSettled([this.#opening]);
  }

  async #send(sender: HttpSender, sent: ChannelRequest, agreement: Agreement, scope: Scope): Promise<PostAnswer> {
    const { logging, profile } = agreement.dialect;
    if (logging !== null && sent.terms.logLevel !== null) await scope.race(this.#logged(agreement, logging));
    await scope.race(this.#credentialReady());
    sent.admit(0, profile);
    try {
      return await agreement.sole.during(sent.side, () => sender.request(sent, agreement, scope));
    } finally {
      if (this.#asksAside && agreement.sole.spent) this.#renew(sender, agreement);
    }
  }

  /** @throws GatewayError UPSTREAM_UNAVAILABLE when the catalog's URL or pin is not acceptable, or after close */
  #connect(): Connected {
    if (this.#closing !== null) throw unavailable('the connection to the server is closed');
    if (this.#connected === null) {
      const { target, ca, lookup, egress, settings, log, timers, hearing, identity } = this.#options;
      const peer = pinnedPeer(target, settings.tls ?? { authorities: ca, client: null }, egress, (reason) =>
        identity.refused(reason),
      );
      const endpoint = new HttpEndpoint(target.url, () => this.#fields(), peer, {
        connections: settings.concurrency + SPARE_CONNECTIONS,
        ...(lookup === null ? {} : { lookup }),
      });
      const { maxResponseBytes } = settings;
      this.#connected = { endpoint, sender: new HttpSender({ endpoint, maxResponseBytes, log, timers, hearing }) };
    }
    return this.#connected;
  }

  #fields(): Record<string, string> {
    const { credential, settings } = this.#options;
    if (credential === null || settings.credential === null) return this.#headers;
    const { header, scheme } = settings.credential;
    return { ...this.#headers, [header.toLowerCase()]: `${scheme} ${credential.value}`.trim() };
  }

  #credentialReady(): Promise<void> {
    return this.#options.credential?.ready() ?? Promise.resolve();
  }

  /** 401 says that nothing was done for want of a good credential: once more with another. */
  #isRefused({ status }: PostAnswer): boolean {
    const { credential } = this.#options;
    if (status !== 401 || credential === null) return false;
    credential.refused(credential.value);
    return true;
  }

  #agreed(scope: Scope): Promise<Agreement> {
    if (this.#agreement !== null) return Promise.resolve(this.#agreement);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return scope.race(this.#opening);
  }

  async #open(): Promise<Agreement> {
    const { settings, asks, log, news } = this.#options;
    try {
      const { sender } = this.#connect();
      const negotiation = { sender, own: this.#own, asks };
      await this.#credentialReady();
      const terms = await this.#own.within(settings.timeoutMs, (scope) => negotiateHttp(negotiation, scope));
      const agreement: Agreement = { ...terms, standing: null, logging: null, sole: new SoleRequest() };
      this.#agreement = agreement;
      agreement.standing = this.#stand(agreement);
      await this.#announcements.attach(this.#linkOf(agreement));
      this.#options.identity.accepted();
      log.write('connected', agreement.session === null ? 'stateless' : 'new session');
      // A new session may be with another server than the one whose definitions were compared.
      if (this.#agreedBefore) news.everyListChanged();
      this.#agreedBefore = true;
      return agreement;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      // Whether it was for the credential, no revision says reliably: the next attempt shows another.
      this.#options.credential?.refused(this.#options.credential.value);
      log.write('connect_failed', error.detail);
      throw unavailable(error.detail, error);
    }
  }

  /** Where the family has a stream on which the server speaks unasked, and the server something to say on it. */
  #stand(agreement: Agreement): StandingStream | null {
    const { settings, asks, timers, log, hearing, news } = this.#options;
    const { announcing, profile } = agreement.dialect;
    const speaks = profile.announces.length > 0 || profile.subscribes || asks.length > 0;
    if (announcing.by !== 'request' || !speaks) return null;
    const { endpoint, sender } = this.#connect();
    return new StandingStream({
      endpoint,
      fields: sessionFields(agreement),
      maxEventBytes: settings.maxResponseBytes,
      batches: agreement.dialect.batches,
      timers,
      log,
      onMessage: (message) => {
        if (message.kind === 'response') return;
        this.#asksAside ||= asks.length > 0 && asksAside(message);
        hearing.heard(message, agreement.sole.meant(message), sender.answering(agreement));
      },
      onMissed: () => news.missed({ kinds: [...profile.announces], uris: this.#announcements.uris }),
      onSessionOver: () => this.#forget(agreement),
    });
  }

  #linkOf(agreement: Agreement): Link {
    const { settings, log } = this.#options;
    const { endpoint, sender } = this.#connect();
    const { dialect } = agreement;
    return {
      dialect,
      request: (method, params) =>
        this.#own.briefly(async (scope) =>
          resultOf(await sender.request(this.#own.message(method, params), agreement, scope)),
        ),
      openStream: (id, wanted, events) => {
        if (dialect.announcing.by !== 'listening') return () => {};
        const { method } = dialect.announcing;
        const params = dialect.params(dialect.announcing.params(wanted), OWN_TERMS);
        return openEventStream({
          endpoint,
          body: request(id, method, params),
          fields: dialect.headers(method, params, null),
          maxEventBytes: settings.maxResponseBytes,
          batches: dialect.batches,
          log,
          onOpen: () => {},
          onMessage: events.message,
          onEnd: ({ status }) => events.ended(isRefusal(status)),
        });
      },
    };
  }

  #renew(sender: HttpSender, agreement: Agreement): void {
    if (this.#agreement !== agreement) return;
    this.#forget(agreement);
    void sender.endSession(agreement);
  }

  #forget(agreement: Agreement): void {
    agreement.standing?.close();
    if (this.#agreement !== agreement) return;
    this.#agreement = null;
    this.#announcements.detach();
    this.#revival.start();
  }

  /** Once for each connection, and only when somebody wants to hear log messages. */
  #logged(agreement: Agreement, { method, params }: { method: string; params: JsonObject }): Promise<void> {
    agreement.logging ??= this.#own.attempt(this.#linkOf(agreement).request(method, params), 'not_logging');
    return agreement.logging;
  }

  /** For requests of the gateway's own that belong to the connection, whichever it is by then. */
  #requester(scope: Scope): Link['request'] {
    return (method, params) => this.exchange(this.#own.message(method, params), scope);
  }
}

const isSessionEnd = (answer: PostAnswer, agreement: Agreement): boolean =>
  answer.status === 404 && agreement.session !== null;

/** An answer that is no stream, from the server itself: it has none. */
const isRefusal = (status: number | null): boolean => status !== null && status < 500 && status !== OVERLOADED;

function unavailable(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('UPSTREAM_UNAVAILABLE', detail, { cause });
}
