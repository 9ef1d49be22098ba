import type { UpstreamLog } from './types.ts';

/** Everything outside printable ASCII is escaped, so that a server cannot write lines of its own into the log (ATK-39). */
export const printable = (text: string): string =>
  text.replace(/[^ -~]/g, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);

/** The log of one server. What a hostile server can repeat without end is logged at 1, 2, 4, 8, … occurrences. */
export class EventLog {
  readonly #server: string;
  readonly #log: UpstreamLog;
  readonly #counts = new Map<string, number>();

  constructor(server: string, log: UpstreamLog) {
    this.#server = server;
    this.#log = log;
  }

  write(event: string, detail: string): void {
    this.#log({ server: this.#server, event, detail: printable(detail) });
  }

  /** `event` is one of our own words, so the number of counters is fixed. */
  count(event: string, detail: string): void {
    const count = (this.#counts.get(event) ?? 0) + 1;
    this.#counts.set(event, count);
    if (Number.isInteger(Math.log2(count))) this.write(event, `${detail} (${count} so far)`);
  }
}
