import { GatewayError } from '../../errors.ts';
import type { Subscription } from '../types.ts';

/** Resources that one session may be subscribed to. */
const MAX_SUBSCRIBED = 256;

/** The resources that one session is subscribed to, by URI. */
export class ResourceSubscriptions {
  readonly #open = new Map<string, Subscription>();
  #over = false;

  /** @throws GatewayError OVERLOADED when the session has no room for another one */
  admit(uri: string): void {
    if (this.#open.has(uri) || this.#open.size < MAX_SUBSCRIBED) return;
    throw new GatewayError('OVERLOADED', 'the session is subscribed to too many resources');
  }

  add(uri: string, subscription: Subscription): void {
    this.remove(uri);
    // The session may have ended while the subscription was decided.
    if (this.#over) subscription.end();
    else this.#open.set(uri, subscription);
  }

  remove(uri: string): void {
    this.#open.get(uri)?.end();
    this.#open.delete(uri);
  }

  end(): void {
    this.#over = true;
    for (const uri of [...this.#open.keys()]) this.remove(uri);
  }
}
