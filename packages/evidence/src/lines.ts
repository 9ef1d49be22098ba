const LF = 0x0a;

/** Cuts bytes that come in pieces into lines, each ended by one LF. Holds no more than the line that is not ended yet. */
export class LineCutter {
  readonly #maxLength: number;
  #pieces: Uint8Array[] = [];
  #held = 0;

  /** @param maxLength bytes of a line that may be held before its end is there */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** The lines that end in `given`, without their LF: views of it, but for the first where it began in an earlier chunk. */
  *cut(given: Uint8Array): Generator<Uint8Array> {
    // Without what a subclass such as Node's Buffer does for every view.
    const chunk = new Uint8Array(given.buffer, given.byteOffset, given.length);
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      const tail = chunk.subarray(start, end);
      start = end + 1;
      yield this.#held === 0 ? tail : this.#joined(tail);
    }
    this.#hold(chunk.subarray(start));
  }

  /** Whether the line that is not ended yet is longer than it may be; what follows of it is not held. */
  get isFull(): boolean {
    return this.#held > this.#maxLength;
  }

  /** Whether every line so far was ended. */
  get isEmpty(): boolean {
    return this.#held === 0;
  }

  #hold(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#held += piece.length;
    // A copy: whose the chunk is may fill it anew.
    if (!this.isFull) this.#pieces.push(piece.slice());
  }

  #joined(tail: Uint8Array): Uint8Array {
    const line = new Uint8Array(this.#held + tail.length);
    let at = 0;
    for (const piece of this.#pieces) {
      line.set(piece, at);
      at += piece.length;
    }
    line.set(tail, at);
    this.#pieces = [];
    this.#held = 0;
    return line;
  }
}
