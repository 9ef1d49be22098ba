import { GatewayError } from '../errors.ts';
import { Coalesced } from './coalesced.ts';
import type { MonotonicTimers } from './monotonic.ts';
import type { Scope } from './scope.ts';

/** Resources of one server that are listened to at once. */
const MAX_SUBSCRIBED = 1000;
/** How far up from the one that changed a subscribed resource may be. */
const MAX_LEVELS = 32;

interface Entry {
  listeners: Set<{ onUpdated: () => void }>;
  /** Whether the server announces changes of the resource. */
  agreed: Promise<boolean>;
}

export interface SubscriptionOptions {
  subscribe: (uri: string) => Promise<boolean>;
  unsubscribe: (uri: string) => void;
  timers: MonotonicTimers;
}

/** Who listens to which resource of one server. One subscription upstream serves any number of listeners. */
export class Subscriptions {
  readonly #options: SubscriptionOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #news: Coalesced<string>;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
    this.#news = new Coalesced(options.timers, (uri) => {
      for (const { onUpdated } of [...(this.#entries.get(uri)?.listeners ?? [])]) onUpdated();
    });
  }

  /** What ends the subscription, or null where the server does not offer it. */
  async add(uri: string, onUpdated: () => void, scope: Scope): Promise<(() => void) | null> {
    const entry = this.#entryOf(uri);
    const listener = { onUpdated };
    entry.listeners.add(listener);
    let agreed = false;
    try {
      agreed = await scope.race(entry.agreed);
    } finally {
      if (!agreed) this.#remove(uri, entry, listener);
    }
    return agreed ? () => this.#remove(uri, entry, listener) : null;
  }

  /** The server says that a resource changed; it may name one below that which is subscribed to. False: nobody listens. */
  updated(uri: string): boolean {
    let heard = false;
    for (const candidate of withThoseAbove(uri)) {
      if (!this.#entries.has(candidate)) continue;
      heard = true;
      this.#news.add(candidate);
    }
    return heard;
  }

  close(): void {
    this.#news.close();
  }

  #entryOf(uri: string): Entry {
    const known = this.#entries.get(uri);
    if (known !== undefined) return known;
    if (this.#entries.size >= MAX_SUBSCRIBED) {
      throw new GatewayError('UPSTREAM_UNAVAILABLE', 'too many resources of the server are subscribed to');
    }
    const entry: Entry = { listeners: new Set(), agreed: this.#options.subscribe(uri) };
    this.#entries.set(uri, entry);
    return entry;
  }

  #remove(uri: string, entry: Entry, listener: { onUpdated: () => void }): void {
    entry.listeners.delete(listener);
    if (entry.listeners.size > 0 || this.#entries.get(uri) !== entry) return;
    this.#entries.delete(uri);
    // It may be agreed on only after everybody who wanted it has gone; how it failed is told to those who waited for it.
    entry.agreed.then(
      (agreed) => {
        if (agreed && !this.#entries.has(uri)) this.#options.unsubscribe(uri);
      },
      () => {},
    );
  }
}

/** The URI itself, and what it lies below: `a:/b`, and `a:/b/`, of `a:/b/c`. */
function* withThoseAbove(uri: string): Generator<string> {
  yield uri;
  let end = uri.length;
  for (let level = 0; level < MAX_LEVELS; level += 1) {
    while (end > 0 && !'/?#'.includes(uri.charAt(end - 1))) end -= 1;
    if (end === 0) return;
    if (end < uri.length) yield uri.slice(0, end);
    end -= 1;
    yield uri.slice(0, end);
  }
}
