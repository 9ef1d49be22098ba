/**
 * Server-sent events, parsed to the letter of the HTML standard (section 9.2.6): CR, LF and CRLF end a line, one leading
 * byte order mark is dropped, comments and unknown fields are ignored, `data` lines join with LF, an event without data
 * is not dispatched but its id counts, and an unfinished event at the end of the stream is discarded.
 */
import { isUtf8 } from 'node:buffer';
import { ByteBuffer } from './byte-buffer.ts';

export interface SseEvent {
  /** Event type; `message` when the stream names none. */
  type: string;
  /** UTF-8 bytes of the joined data lines. */
  data: Buffer;
}

/** The stream cannot be used any further. */
export class SseError extends Error {
  readonly reason: 'too_large' | 'encoding';
  constructor(reason: 'too_large' | 'encoding') {
    super(`the event stream is not acceptable: ${reason}`);
    this.name = 'SseError';
    this.reason = reason;
  }
}

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const LINE_FEED = Uint8Array.of(LF);
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const DIGITS = /^[0-9]+$/;
/** The longest that a timer can be set to. */
const LONGEST_RETRY_MS = 2 ** 31 - 1;
/** Room for the field name in a line that holds a whole event's data. */
const FIELD_SLACK = 1024;

/** Incremental parser of one stream. Holds at most one event of `maxEventBytes` of data. */
export class SseParser {
  readonly #onEvent: (event: SseEvent) => void;
  readonly #line: ByteBuffer;
  /** Each data line with its LF; the last LF is cut when the event is dispatched. */
  readonly #data: ByteBuffer;
  #type = '';
  /** Of the event that is being read; it counts once the event has ended. */
  #id = '';
  #lastEventId = '';
  #retryMs: number | null = null;
  #afterCr = false;
  #firstLine = true;

  constructor(maxEventBytes: number, onEvent: (event: SseEvent) => void) {
    this.#onEvent = onEvent;
    this.#line = new ByteBuffer(maxEventBytes + FIELD_SLACK);
    this.#data = new ByteBuffer(maxEventBytes + 1);
  }

  /** The last event id that the stream gave; empty when it gave none, or took it back. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  /** Milliseconds that the stream wants between its end and the next attempt; null: it does not say. */
  get retryMs(): number | null {
    return this.#retryMs;
  }

  /** @throws SseError when an event is larger than the bound or not UTF-8; the stream must then be closed */
  push(chunk: Buffer): void {
    let start = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (byte === LF && this.#afterCr) {
        // The second half of CRLF: the line ended at CR.
        this.#afterCr = false;
        start = at + 1;
        continue;
      }
      this.#afterCr = byte === CR;
      if (byte !== LF && byte !== CR) continue;
      this.#endLine(chunk.subarray(start, at));
      start = at + 1;
    }
    this.#append(this.#line, chunk.subarray(start));
  }

  #append(to: ByteBuffer, bytes: Uint8Array): void {
    if (!to.append(bytes)) throw new SseError('too_large');
  }

  #endLine(last: Buffer): void {
    let line = last;
    if (this.#line.length > 0) {
      this.#append(this.#line, last);
      line = this.#line.take();
    }
    if (this.#firstLine && line.subarray(0, 3).equals(BOM)) line = line.subarray(3);
    this.#firstLine = false;
    if (line.length === 0) this.#dispatch();
    else if (line[0] !== COLON) this.#field(line);
  }

  #field(line: Buffer): void {
    // A decoder would turn broken bytes into U+FFFD; what cannot be read exactly is refused instead.
    if (!isUtf8(line)) throw new SseError('encoding');
    const colon = line.indexOf(COLON);
    const name = line.toString('latin1', 0, colon === -1 ? line.length : colon);
    const from = colon === -1 ? line.length : colon + (line[colon + 1] === SPACE ? 2 : 1);
    if (name === 'data') {
      this.#append(this.#data, line.subarray(from));
      this.#append(this.#data, LINE_FEED);
    } else if (name === 'event') this.#type = line.toString('utf8', from);
    else if (name === 'id') this.#readId(line.toString('utf8', from));
    else if (name === 'retry') this.#readRetry(line.toString('latin1', from));
  }

  #readId(value: string): void {
    if (!value.includes('\0')) this.#id = value;
  }

  #readRetry(value: string): void {
    if (DIGITS.test(value)) this.#retryMs = Math.min(Number(value), LONGEST_RETRY_MS);
  }

  #dispatch(): void {
    const type = this.#type === '' ? 'message' : this.#type;
    this.#type = '';
    this.#lastEventId = this.#id;
    if (this.#data.length > 0) this.#onEvent({ type, data: this.#data.take().subarray(0, -1) });
  }
}
