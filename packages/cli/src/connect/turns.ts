/** Work that has to happen in the order in which it was asked for, one piece after the other. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** Pieces that have not ended yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs `work` when everything asked for before has ended. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const mine = this.#last.then(work);
    const ended = (): void => {
      this.#waiting -= 1;
    };
    this.#last = mine.then(ended, ended);
    return mine;
  }

  /** Resolves when everything asked for so far has ended. */
  settled(): Promise<void> {
    return this.#last;
  }
}
