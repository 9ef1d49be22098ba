import type { JsonObject } from '@cmcp/evidence';

/** What operators can follow live: names and decisions, never payloads. */
export type OperatorEvent = JsonObject & { event: string };

/** Fan-out of events to the operators that listen. A listener that has gone away costs nothing. */
export class OperatorEvents {
  readonly #listeners = new Set<(event: OperatorEvent) => void>();

  publish(event: OperatorEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Returns the function that stops listening. */
  subscribe(listener: (event: OperatorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
