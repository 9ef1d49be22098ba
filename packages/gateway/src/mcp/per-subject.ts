import { GatewayError } from '../errors.ts';

/** How many of something each caller may have at once, so that nobody's many leave none for others. */
export class PerSubject {
  readonly #counts = new Map<string, number>();
  readonly #limit: number;
  readonly #what: string;

  /** @param what in words, for the refusal */
  constructor(limit: number, what: string) {
    this.#limit = limit;
    this.#what = what;
  }

  /**
   * Takes one for `subject`; what is returned gives it back, once.
   * @throws GatewayError OVERLOADED at the bound
   */
  enter(subject: string): () => void {
    const count = this.#counts.get(subject) ?? 0;
    if (count >= this.#limit) throw new GatewayError('OVERLOADED', `${subject} has too many ${this.#what}`);
    this.#counts.set(subject, count + 1);
    let held = true;
    return () => {
      if (held) this.#leave(subject);
      held = false;
    };
  }

  #leave(subject: string): void {
    const count = (this.#counts.get(subject) ?? 0) - 1;
    if (count > 0) this.#counts.set(subject, count);
    else this.#counts.delete(subject);
  }
}
