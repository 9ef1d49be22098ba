const FIRST_CAPACITY = 4096;

/**
 * Collects bytes up to a bound in one block that grows by doubling, so that many small pieces cost no more memory than
 * their bytes, and no piece keeps the larger block alive that it was cut from.
 */
export class ByteBuffer {
  readonly #limit: number;
  #block: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  /** False, and nothing kept of `piece`, when the bound would be passed. */
  append(piece: Uint8Array): boolean {
    const length = this.#length + piece.length;
    if (length > this.#limit) return false;
    if (length > this.#block.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#limit, Math.max(FIRST_CAPACITY, length, this.#block.length * 2)));
      this.#block.copy(grown, 0, 0, this.#length);
      this.#block = grown;
    }
    this.#block.set(piece, this.#length);
    this.#length = length;
    return true;
  }

  /** Everything collected; the buffer is empty afterwards and the result is the caller's own. */
  take(): Buffer {
    const bytes = this.#block.subarray(0, this.#length);
    this.#block = Buffer.alloc(0);
    this.#length = 0;
    return bytes;
  }
}
