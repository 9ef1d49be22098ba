import { ByteBuffer } from '../mcp/byte-buffer.ts';

const LF = 0x0a;
const TAIL_BYTES = 1024;

export interface LineHandlers {
  /** A whole line without its LF. */
  line(line: Buffer): void;
  /** Part of a line that is longer than the bound: its start as soon as the bound is passed, its last bytes at its end. */
  oversize(part: Buffer): void;
}

/** Splits a byte stream into lines and holds at most `maxBytes` of one; the rest of a longer line is discarded as it comes. */
export class LineReader {
  readonly #handlers: LineHandlers;
  readonly #held: ByteBuffer;
  /** Last bytes of the line that is being discarded; null while lines keep the bound. */
  #tail: Buffer | null = null;

  constructor(maxBytes: number, handlers: LineHandlers) {
    this.#handlers = handlers;
    this.#held = new ByteBuffer(maxBytes);
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#hold(chunk.subarray(start, end));
      start = end + 1;
      this.#endLine();
    }
    this.#hold(chunk.subarray(start));
  }

  #hold(piece: Buffer): void {
    if (this.#tail !== null) {
      this.#tail = Buffer.concat([this.#tail, piece.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
    } else if (!this.#held.append(piece)) {
      this.#handlers.oversize(this.#held.length > 0 ? this.#held.take() : piece);
      this.#tail = Buffer.from(piece.subarray(-TAIL_BYTES));
    }
  }

  #endLine(): void {
    if (this.#tail === null) this.#handlers.line(this.#held.take());
    else this.#handlers.oversize(this.#tail);
    this.#tail = null;
  }
}
