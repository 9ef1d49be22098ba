import type { Exposure } from './types.ts';

/** The exposures as last asked for, by subject. */
export class ExposureTable {
  readonly #bySubject: Map<string, Exposure>;

  constructor(stored: readonly Exposure[]) {
    this.#bySubject = new Map(stored.map((exposure) => [exposure.subject, exposure]));
  }

  all(): Exposure[] {
    return [...this.#bySubject.values()];
  }

  put(exposure: Exposure): void {
    this.#bySubject.set(exposure.subject, exposure);
  }

  /**
   * What a subject's exposure becomes when a call that may have shown `shown` is given up, or null for no change. It only
   * rises, and a call from before an operator's reset raises nothing (contracts section 1).
   */
  raise(shown: Exposure): Exposure | null {
    const now = this.#bySubject.get(shown.subject);
    if (now === undefined || now.generation < shown.generation) return shown;
    if (now.generation > shown.generation) return null;
    const lastCallMicros = Math.max(now.lastCallMicros, shown.lastCallMicros);
    const higher = shown.rank > now.rank ? shown : now;
    return { ...higher, lastCallMicros };
  }
}
