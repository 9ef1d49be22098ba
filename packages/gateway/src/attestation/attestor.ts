import type { Attest, SessionEvidence } from '../audit/evidence.ts';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import type { EvidenceProvider } from './types.ts';

interface Waiting {
  bound: Uint8Array;
  resolve(evidence: SessionEvidence): void;
  reject(error: unknown): void;
}

/** Sessions whose evidence one operation of the device may stand for. */
const MOST_AT_ONCE = 256;

/**
 * Shares the one device among all sessions that want evidence: whoever asks while it is busy is served together with all others
 * that asked, in the order of asking, by its next operation.
 */
export class Attestor {
  readonly #provider: EvidenceProvider;
  readonly #clock: Clock;
  readonly #validitySeconds: number;
  #waiting: Waiting[] = [];
  #busy = false;

  constructor(provider: EvidenceProvider, clock: Clock, validityMs: number) {
    this.#provider = provider;
    this.#clock = clock;
    this.#validitySeconds = Math.floor(validityMs / 1000);
  }

  readonly attest: Attest = (bound) =>
    new Promise((resolve, reject) => {
      this.#waiting.push({ bound, resolve, reject });
      if (this.#busy) return;
      this.#busy = true;
      // After everything that is asked in this turn.
      setImmediate(() => void this.#serve());
    });

  async #serve(): Promise<void> {
    while (this.#waiting.length > 0) await this.#collect(this.#waiting.splice(0, MOST_AT_ONCE));
    this.#busy = false;
  }

  async #collect(batch: Waiting[]): Promise<void> {
    // Before the device is asked: evidence is never said to be younger than it is.
    const generatedMicros = this.#clock.nowMicros();
    try {
      const collected = await this.#provider.collect(batch.map(({ bound }) => bound));
      for (const [i, { resolve, reject }] of batch.entries()) {
        const evidence = collected[i];
        if (evidence === undefined) reject(tooFew(this.#provider.kind));
        else resolve({ ...evidence, generatedMicros, validitySeconds: this.#validitySeconds });
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

function tooFew(kind: string): GatewayError {
  return new GatewayError('ATTESTATION_FAILED', `${kind} gave evidence for fewer sessions than asked for it`);
}
