import { GatewayError } from '../errors.ts';
import type { Monotonic } from '../session/freshness.ts';
import type { Answer } from './failure.ts';

const KEPT_MS = 24 * 3_600_000;
const KEPT_ANSWERS = 4_096;

/** What a request with an idempotency key is: another one with the same key is a mistake. */
export interface Keyed {
  /** Of one operator. */
  readonly owner: string;
  readonly key: string;
  /** Everything that was asked. */
  readonly asked: string;
}

interface Kept {
  readonly asked: string;
  readonly answer: Promise<Answer>;
  readonly since: number;
}

/**
 * Answers by idempotency key: whoever asks the same again, because the answer was lost, gets it and changes nothing. In memory alone, for a
 * day at most, and the oldest are forgotten first; a restart forgets all.
 */
export class Replays {
  readonly #monotonic: Monotonic;
  readonly #kept = new Map<string, Kept>();

  constructor(monotonic: Monotonic) {
    this.#monotonic = monotonic;
  }

  /**
   * What `run` answers, once for each key: who comes while it runs waits for it.
   *
   * @throws GatewayError IDEMPOTENCY_CONFLICT
   */
  async once({ owner, key, asked }: Keyed, run: () => Promise<Answer>): Promise<Answer & { replayed: boolean }> {
    this.#forget();
    const name = JSON.stringify([owner, key]);
    const kept = this.#kept.get(name);
    if (kept === undefined) {
      const answer = run();
      this.#kept.set(name, { asked, answer, since: this.#monotonic() });
      return { ...(await answer), replayed: false };
    }
    if (kept.asked !== asked)
      throw new GatewayError(
        'IDEMPOTENCY_CONFLICT',
        `the key ${key} was used for another request of yours; use a new one for each`,
      );
    return { ...(await kept.answer), replayed: true };
  }

  /** In the order of their age. */
  #forget(): void {
    const now = this.#monotonic();
    for (const [name, { since }] of this.#kept) {
      if (now - since < KEPT_MS && this.#kept.size < KEPT_ANSWERS) return;
      this.#kept.delete(name);
    }
  }
}
