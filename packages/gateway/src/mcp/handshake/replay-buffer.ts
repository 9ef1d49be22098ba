import type { Clock } from '../../clock.ts';

/** A stream whose events are kept, oldest first. */
export interface KeptStream {
  /** Its oldest kept event is not kept any more. */
  forgetOldest(): void;
}

/** Events that one session keeps at most. */
const MAX_EVENTS = 256;
const MAX_BYTES = 4_194_304;

/** Bytes that all sessions together may keep. Who comes late gets none: nobody's events make room for somebody else's. */
export class ReplayBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

interface Kept {
  stream: KeptStream;
  bytes: number;
  /** Microseconds since the epoch. */
  at: number;
}

/** What one session could be sent again, in the order in which it was sent. The oldest makes room for the newest. */
export class ReplayBuffer {
  readonly #budget: ReplayBudget;
  readonly #clock: Clock;
  #kept: Kept[] = [];
  #bytes = 0;

  constructor(budget: ReplayBudget, clock: Clock) {
    this.#budget = budget;
    this.#clock = clock;
  }

  /** False when there is no room for an event, even without all others. */
  keep(stream: KeptStream, bytes: number): boolean {
    while (this.#kept.length > 0 && (this.#kept.length >= MAX_EVENTS || this.#bytes + bytes > MAX_BYTES)) this.#drop();
    if (bytes > MAX_BYTES) return false;
    while (!this.#budget.take(bytes)) if (!this.#drop()) return false;
    this.#kept.push({ stream, bytes, at: this.#clock.nowMicros() });
    this.#bytes += bytes;
    return true;
  }

  /** Forgets what is older than `ms` milliseconds. */
  expire(ms: number): void {
    const before = this.#clock.nowMicros() - ms * 1000;
    while (this.#kept[0] !== undefined && this.#kept[0].at <= before) this.#drop();
  }

  clear(): void {
    while (this.#drop());
  }

  #drop(): boolean {
    const oldest = this.#kept.shift();
    if (oldest === undefined) return false;
    this.#bytes -= oldest.bytes;
    this.#budget.give(oldest.bytes);
    oldest.stream.forgetOldest();
    return true;
  }
}
