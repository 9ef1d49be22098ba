import { GatewayError } from '../errors.ts';

const MINUTE_MS = 60_000;
/** Above this many, buckets that are full again are forgotten, once a minute: an issuer may name any number of callers (D-06). */
const MANY = 4096;

/**
 * How many sessions each caller may open in a minute: every start asks the device for evidence. A bucket per caller that fills
 * evenly.
 */
export class StartRate {
  readonly #perMinute: number;
  readonly #monotonic: () => number;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();
  #sweptMs = Number.NEGATIVE_INFINITY;

  constructor(perMinute: number, monotonic: () => number) {
    this.#perMinute = perMinute;
    this.#monotonic = monotonic;
  }

  /** Callers that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** @throws GatewayError TOO_MANY_SESSIONS */
  take(exposed: string): void {
    const now = this.#monotonic();
    if (this.#buckets.size >= MANY) this.#forgetFull(now);
    const { tokens, atMs } = this.#buckets.get(exposed) ?? { tokens: this.#perMinute, atMs: now };
    const filled = Math.min(this.#perMinute, tokens + ((now - atMs) / MINUTE_MS) * this.#perMinute);
    if (filled < 1) {
      throw new GatewayError('TOO_MANY_SESSIONS', `this caller opened ${this.#perMinute} sessions within a minute`);
    }
    this.#buckets.set(exposed, { tokens: filled - 1, atMs: now });
  }

  /** A minute after its last start any bucket is full, and as good as none. */
  #forgetFull(now: number): void {
    if (now - this.#sweptMs < MINUTE_MS) return;
    this.#sweptMs = now;
    for (const [exposed, { atMs }] of this.#buckets) if (now - atMs >= MINUTE_MS) this.#buckets.delete(exposed);
  }
}
