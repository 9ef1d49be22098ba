import { GatewayError } from '../../errors.ts';
import type { MonotonicTimers } from '../monotonic.ts';
import type { Issued } from './types.ts';

/** A value is got anew this much before it ends, so that none ends on the way. */
const MARGIN_MS = 10_000;
const MAX_LENGTH = 16_384;

/** What the gateway shows one server of itself. It is kept in memory, and never stands in an error, a log or an entry. */
export class Credential {
  readonly #issue: () => Promise<Issued>;
  readonly #lifetimeMs: number;
  readonly #timers: Pick<MonotonicTimers, 'nowMs'>;
  #held: { value: string; untilMs: number } | null = null;
  #asking: Promise<void> | null = null;

  constructor(issue: () => Promise<Issued>, lifetimeMs: number, timers: Pick<MonotonicTimers, 'nowMs'>) {
    this.#issue = issue;
    this.#lifetimeMs = lifetimeMs;
    this.#timers = timers;
  }

  /** The value that was got last; empty before {@link ready} resolved. */
  get value(): string {
    return this.#held?.value ?? '';
  }

  /**
   * Resolves when there is a value that can be used; one question serves everybody who waits.
   * @throws GatewayError UPSTREAM_UNAVAILABLE: nothing is sent without it
   */
  async ready(): Promise<void> {
    if (this.#held !== null && this.#timers.nowMs() < this.#held.untilMs) return;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    await this.#asking;
  }

  /** The server did not accept the value: the next is got anew. */
  refused(value: string): void {
    if (this.#held?.value === value) this.#held = null;
  }

  async #ask(): Promise<void> {
    const askedMs = this.#timers.nowMs();
    const { value, lifetimeMs } = await this.#issue();
    if (value.length > MAX_LENGTH || !/^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/.test(value)) {
      throw new GatewayError('UPSTREAM_UNAVAILABLE', 'the credential is not one line of printable ASCII');
    }
    const lasts = Math.max(0, (lifetimeMs ?? this.#lifetimeMs + MARGIN_MS) - MARGIN_MS);
    this.#held = { value, untilMs: askedMs + lasts };
  }
}
