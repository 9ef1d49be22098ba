import { GatewayError } from '../errors.ts';

const MINUTE_MS = 60_000;

/**
 * How many sessions each caller may open in a minute: every start asks the device for evidence. A bucket per caller that fills
 * evenly. Callers are authenticated, so there are no more of them than credentials.
 */
export class StartRate {
  readonly #perMinute: number;
  readonly #monotonic: () => number;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(perMinute: number, monotonic: () => number) {
    this.#perMinute = perMinute;
    this.#monotonic = monotonic;
  }

  /** @throws GatewayError TOO_MANY_SESSIONS */
  take(exposed: string): void {
    const now = this.#monotonic();
    const { tokens, atMs } = this.#buckets.get(exposed) ?? { tokens: this.#perMinute, atMs: now };
    const filled = Math.min(this.#perMinute, tokens + ((now - atMs) / MINUTE_MS) * this.#perMinute);
    if (filled < 1) {
      throw new GatewayError('TOO_MANY_SESSIONS', `this caller opened ${this.#perMinute} sessions within a minute`);
    }
    this.#buckets.set(exposed, { tokens: filled - 1, atMs: now });
  }
}
