import type { Writable } from 'node:stream';

/** The output of a program that speaks over a pipe, with its back-pressure and its end. */
export class OutputPipe {
  readonly #output: Writable;
  #full = false;
  #waiting: (() => void)[] = [];
  broken = false;

  constructor(output: Writable, onBroken: () => void) {
    this.#output = output;
    const broke = (): void => {
      this.broken = true;
      this.#release();
      onBroken();
    };
    output.on('error', broke);
    output.on('close', broke);
    output.on('drain', () => this.#release());
  }

  write(text: string): void {
    if (!this.broken) this.#full = !this.#output.write(text);
  }

  /** Whoever has more to write should wait. */
  get full(): boolean {
    return this.#full && !this.broken;
  }

  /** Resolves when more may be written. */
  async ready(): Promise<void> {
    if (!this.full) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when what was written has left, or never will. */
  async flushed(): Promise<void> {
    if (this.broken) return;
    await new Promise<void>((resolve) => {
      this.#output.once('close', resolve);
      this.#output.write('', () => resolve());
    });
  }

  #release(): void {
    this.#full = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
