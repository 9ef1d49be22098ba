/** Time as an argument (architecture rule 9). */
export interface Clock {
  /** Microseconds since the Unix epoch, an integer below 2^53. */
  nowMicros(): number;
}

/** The machine's clock. Wall time with the sub-millisecond part taken from the monotonic timer. */
export const systemClock: Clock = {
  nowMicros: () => Math.floor((performance.timeOrigin + performance.now()) * 1000),
};
