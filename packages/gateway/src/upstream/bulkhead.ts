import { GatewayError } from '../errors.ts';
import { type Scope, unsent } from './scope.ts';

/** Requests that wait for one server; each is held whole, so there is a bound. */
const MAX_WAITING = 256;

/**
 * Lets a server work on so many requests at once; others wait their turn, within their own time. One slow server then holds
 * no more than its own share of the gateway.
 */
export class Bulkhead {
  readonly #limit: () => number;
  readonly #waiting = new Set<() => void>();
  #inside = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** Goes in at once where there is room. */
  tryEnter(): boolean {
    if (this.#inside >= this.#limit()) return false;
    this.#inside += 1;
    return true;
  }

  /**
   * Waits for room.
   * @throws GatewayError UPSTREAM_UNAVAILABLE when too many wait, or when the time is over before anything was sent;
   *   CALL_CANCELLED
   */
  async enter(scope: Scope): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING) {
      throw new GatewayError('UPSTREAM_UNAVAILABLE', 'too many requests wait for the server; nothing was sent');
    }
    let off = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        this.#waiting.add(resolve);
        off = scope.onEnd((error) => {
          this.#waiting.delete(resolve);
          reject(unsent(error));
        });
      });
    } finally {
      off();
    }
  }

  leave(): void {
    this.#inside -= 1;
    for (const admit of this.#waiting) {
      if (this.#inside >= this.#limit()) return;
      this.#waiting.delete(admit);
      this.#inside += 1;
      admit();
    }
  }
}
