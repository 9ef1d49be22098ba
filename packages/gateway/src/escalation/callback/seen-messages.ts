import type { Clock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';

/** How far the clock of a sender may be from ours. */
const TOLERANCE_SECONDS = 300;
const MAX_SEEN = 10_000;

/** Ids of signed messages that were taken: each is good once, and for as long as its time is near. */
export class SeenMessages {
  readonly #clock: Clock;
  /** When each lapses, in seconds; nearly in that order. */
  readonly #seen = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws GatewayError UNAUTHENTICATED for one that was taken before, or is of another time; OVERLOADED */
  take(id: string, seconds: number): void {
    const now = Math.floor(this.#clock.nowMicros() / 1e6);
    if (Math.abs(now - seconds) > TOLERANCE_SECONDS)
      throw new GatewayError('UNAUTHENTICATED', 'the time of the answer is more than five minutes away');
    for (const [old, until] of this.#seen) if (until < now) this.#seen.delete(old);
    if (this.#seen.has(id)) throw new GatewayError('UNAUTHENTICATED', 'the answer was sent before');
    if (this.#seen.size >= MAX_SEEN) throw new GatewayError('OVERLOADED', 'too many answers of the callback');
    this.#seen.set(id, seconds + TOLERANCE_SECONDS);
  }
}
