import { GatewayError } from '../../errors.ts';

/** Of all keys together, and of one: nobody's many proofs leave no room for those of others. */
const MAX_PROOFS = 100_000;
const MAX_OF_ONE = 10_000;

/** Proofs that were used and could be shown again (RFC 9449 section 11.1). Bounded; when it is full nobody is let in unseen. */
export class UsedProofs {
  /** In the order in which they come to be forgotten. */
  readonly #until = new Map<string, number>();
  readonly #ofKey = new Map<string, number>();

  /**
   * Notes a proof; false when it was used before.
   * @param untilMs when it could not be accepted any more anyway
   * @throws GatewayError OVERLOADED when there are too many
   */
  use(key: string, id: string, nowMs: number, untilMs: number): boolean {
    this.#forget(nowMs);
    const proof = `${key} ${id}`;
    if (this.#until.has(proof)) return false;
    const own = this.#ofKey.get(key) ?? 0;
    if (own >= MAX_OF_ONE || this.#until.size >= MAX_PROOFS) {
      throw new GatewayError('OVERLOADED', 'too many DPoP proofs within the time in which one is good');
    }
    this.#ofKey.set(key, own + 1);
    this.#until.set(proof, untilMs);
    return true;
  }

  #forget(nowMs: number): void {
    for (const [proof, untilMs] of this.#until) {
      if (untilMs > nowMs) return;
      this.#until.delete(proof);
      const key = proof.slice(0, proof.indexOf(' '));
      const left = (this.#ofKey.get(key) ?? 0) - 1;
      if (left > 0) this.#ofKey.set(key, left);
      else this.#ofKey.delete(key);
    }
  }
}
