import type { JsonObject } from '@cmcp/evidence';
import type { ClientDialect, ServerMessage, Wanted } from '../mcp/client.ts';
import type { EventLog } from './event-log.ts';
import { Listening, type OpenStream } from './listening.ts';
import type { MonotonicTimers } from './monotonic.ts';
import type { OwnRequests } from './own-requests.ts';

/** One agreed connection, as far as announcements need it. */
export interface Link {
  readonly dialect: ClientDialect;
  /** Sends a request of the gateway's own over this connection. */
  request(method: string, params: JsonObject): Promise<unknown>;
  /** Opens a stream for announcements, where the family has such a request. */
  readonly openStream: OpenStream;
}

export interface AnnouncementOptions {
  own: OwnRequests;
  timers: MonotonicTimers;
  log: EventLog;
  onMessage: (message: Exclude<ServerMessage, { kind: 'response' }>) => void;
  /** Announcements may have been missed. */
  onMissed: (wanted: Wanted) => void;
}

/** Keeps a server announcing what is wanted of it, over one connection after the other. */
export class Announcements {
  readonly #options: AnnouncementOptions;
  readonly #uris = new Set<string>();
  #listening: Listening | null = null;
  #connectedBefore = false;

  constructor(options: AnnouncementOptions) {
    this.#options = options;
  }

  /** Does anybody wait for announcements of a resource, and so for a connection? */
  get wanted(): boolean {
    return this.#uris.size > 0;
  }

  get uris(): string[] {
    return [...this.#uris];
  }

  /** A connection was made: the server does not know yet what is wanted of it. */
  async attach(link: Link): Promise<void> {
    const resumed = this.#connectedBefore;
    this.#connectedBefore = true;
    this.detach();
    const { announcing, profile } = link.dialect;
    if (announcing.by === 'listening') {
      const options = { ...this.#options, announcing, kinds: profile.announces, open: link.openStream };
      this.#listening = new Listening(this.#uris, resumed, options);
    } else if (this.#uris.size > 0) {
      await this.#askAgain(link, announcing.subscribe);
    }
  }

  /** The connection is gone. */
  detach(): void {
    this.#listening?.close();
    this.#listening = null;
  }

  /** Over the attached connection; false: the server does not announce changes of this resource. */
  async add(uri: string, dialect: ClientDialect, request: Link['request']): Promise<boolean> {
    const { announcing, profile } = dialect;
    if (!profile.subscribes) return false;
    if (announcing.by === 'request') await request(announcing.subscribe, { uri });
    else if (this.#listening === null || !(await this.#listening.add(uri))) return false;
    this.#uris.add(uri);
    return true;
  }

  async remove(uri: string, dialect: ClientDialect, request: Link['request']): Promise<void> {
    const { announcing } = dialect;
    this.#uris.delete(uri);
    if (announcing.by === 'request') await request(announcing.unsubscribe, { uri });
    else this.#listening?.remove(uri);
  }

  /** A resource that the server no longer announces stays wanted: the next connection is asked again. */
  async #askAgain(link: Link, method: string): Promise<void> {
    const { own, onMissed } = this.#options;
    const { uris } = this;
    await Promise.all(uris.map((uri) => own.attempt(link.request(method, { uri }), 'not_subscribed')));
    onMissed({ kinds: [], uris });
  }
}
