import type { JsonObject } from '@cmcp/evidence';
import type { Timers } from '../../timers.ts';
import { notificationMessage, type RequestId, resultMessage } from '../jsonrpc.ts';
import { listChanged } from '../lists.ts';
import type { ChangeKind, Subscription } from '../types.ts';
import { IDENTITY, SUBSCRIPTION_KEY } from './identity.ts';
import { honouredFilter } from './listen-filter.ts';

/** Where one subscription is heard. */
export interface ListeningChannel {
  send(message: JsonObject): void;
  /** The gateway ends the subscription; nothing is sent after this. */
  end(): void;
}

export interface ListeningDeps {
  /** JSON-RPC id of the request, which is the id of the subscription. */
  id: RequestId;
  lists: readonly ChangeKind[];
  timers: Timers;
  /** How long it may be held open; whoever still listens then asks again. */
  lifetimeMs: number;
  /** Called once, however it ends. */
  onOver: () => void;
}

/** One `subscriptions/listen`: acknowledged first, then what was asked for and nothing else, until either side ends it (MCP26-30). */
export class Listening {
  readonly #deps: ListeningDeps;
  #channel: ListeningChannel | null = null;
  /** What happened before the acknowledgement. */
  #early: JsonObject[] = [];
  #subscription: Subscription | null = null;
  #stopTimer: () => void = () => {};
  #over = false;

  constructor(deps: ListeningDeps) {
    this.#deps = deps;
  }

  /** The resources that are subscribed to, as far as that was allowed. */
  subscribed(subscription: Subscription): void {
    if (this.#over) subscription.end();
    else this.#subscription = subscription;
  }

  /** Acknowledges, and from now on tells. */
  begin(channel: ListeningChannel): void {
    if (this.#over) {
      channel.end();
      return;
    }
    this.#channel = channel;
    const notifications = honouredFilter(this.#deps.lists, this.#subscription?.honoured ?? []);
    channel.send(this.#notification('notifications/subscriptions/acknowledged', { notifications }));
    for (const message of this.#early.splice(0)) channel.send(message);
    this.#stopTimer = this.#deps.timers.after(this.#deps.lifetimeMs, () => this.close());
  }

  listChanged(kind: ChangeKind): void {
    if (this.#deps.lists.includes(kind)) this.#tell(this.#notification(listChanged(kind), {}));
  }

  updated(uri: string): void {
    this.#tell(this.#notification('notifications/resources/updated', { uri }));
  }

  /** The client no longer listens. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopTimer();
    this.#subscription?.end();
    this.#deps.onOver();
  }

  /** The gateway ends it: with the answer to the request, which says so. */
  close(): void {
    if (this.#over) return;
    const result = { resultType: 'complete', _meta: { ...IDENTITY, [SUBSCRIPTION_KEY]: this.#deps.id } };
    this.#channel?.send(resultMessage(this.#deps.id, result));
    this.end();
    this.#channel?.end();
  }

  #tell(message: JsonObject): void {
    if (this.#over) return;
    if (this.#channel !== null) this.#channel.send(message);
    // One of each is enough to know what has to be read anew.
    else if (!this.#early.some((each) => JSON.stringify(each) === JSON.stringify(message))) this.#early.push(message);
  }

  #notification(method: string, params: JsonObject): JsonObject {
    return notificationMessage(method, { ...params, _meta: { [SUBSCRIPTION_KEY]: this.#deps.id } });
  }
}
