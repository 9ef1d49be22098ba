import { type JsonObject, stringifyJson } from '@cmcp/evidence';

/** What operators can follow live: names and decisions, never payloads. */
export type OperatorEvent = JsonObject & { event: string };

/** As it is sent: an id to resume behind, and the event as JSON. */
export interface Sent {
  readonly id: string;
  readonly text: string;
}

/** What is kept for whoever comes back. */
const KEPT_EVENTS = 1_000;
const KEPT_CHARACTERS = 1_048_576;

/** Fan-out of events to the operators that listen, and the latest of them for those who were away. */
export class OperatorEvents {
  readonly #listeners = new Set<(sent: Sent) => void>();
  /** Ids of another process name nothing here. */
  readonly #run: string;
  #kept: Sent[] = [];
  #characters = 0;
  #published = 0;

  constructor(run: string) {
    this.#run = run;
  }

  publish(event: OperatorEvent): void {
    this.#published += 1;
    const sent = { id: `${this.#run}-${this.#published}`, text: stringifyJson(event) };
    this.#kept.push(sent);
    this.#characters += sent.text.length;
    while (this.#kept.length > KEPT_EVENTS || this.#characters > KEPT_CHARACTERS)
      this.#characters -= this.#kept.shift()?.text.length ?? 0;
    for (const listener of this.#listeners) listener(sent);
  }

  /** What came after the event with this id, as far as it is kept. `gap`: something between is lost. */
  since(id: string): { gap: boolean; missed: readonly Sent[] } {
    const [, run, number] = /^(.+)-(\d{1,15})$/.exec(id) ?? [];
    const last = run === this.#run ? Number(number) : -1;
    const first = this.#published - this.#kept.length + 1;
    if (last < 0 || last > this.#published) return { gap: true, missed: [...this.#kept] };
    return { gap: last + 1 < first, missed: this.#kept.slice(Math.max(0, last + 1 - first)) };
  }

  /** Returns the function that stops listening. */
  subscribe(listener: (sent: Sent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
