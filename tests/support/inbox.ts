/** What has come, in order; a test may wait for what is still to come. */
export class Inbox<T> {
  readonly items: T[] = [];
  readonly #waiting = new Set<() => void>();

  push(item: T): void {
    this.items.push(item);
    for (const look of [...this.#waiting]) look();
  }

  /** Resolves with the first that fits, at once when it is there. */
  first(fits: (item: T) => boolean = () => true): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.items.find(fits);
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Resolves once `count` have come that fit. */
  async atLeast(count: number, fits: (item: T) => boolean = () => true): Promise<T[]> {
    let seen = 0;
    const enough = (item: T): boolean => fits(item) && ++seen >= count;
    await this.first((item) => {
      if (item === this.items[0]) seen = 0;
      return enough(item);
    });
    return this.items.filter(fits);
  }
}
