/** Timers as an argument (architecture rule 9). Each call returns what cancels it. */
export interface Timers {
  /** Runs once, `ms` milliseconds from now. */
  after(ms: number, run: () => void): () => void;
  /** Runs every `ms` milliseconds. Does not keep the process alive. */
  every(ms: number, run: () => void): () => void;
}

/** The machine's timers. */
export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  every(ms, run) {
    const timer = setInterval(run, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};
