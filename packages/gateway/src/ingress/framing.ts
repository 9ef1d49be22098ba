import type { Socket } from 'node:net';

/** Between the lines of a message. */
const LINE_END = '\r\n';
const HEAD_END = Buffer.from('\r\n\r\n');
/** More than the parser takes of a head, or of a line that says how long a chunk is. */
const MAX_HEAD = 65_536;
const MAX_LINE = 1_024;
const CHUNKED = /^transfer-encoding[ \t]*:/im;
const LENGTH = /^content-length:[ \t]*([0-9]{1,15})[ \t]*\r?$/im;
const SIZE = /^[0-9A-Fa-f]{1,12}$/;

/**
 * Watches the bytes of one connection for what Node's parser reads and forgets: chunk extensions and trailer fields (ATK-17). No
 * client of MCP sends them; whatever reads them differently in front of us would see other messages than we do. What the parser
 * itself refuses is not looked for here.
 */
export class FramingWatch {
  /** Whether the connection carried something that can be read in more than one way. */
  ambiguous = false;
  #state: 'head' | 'body' | 'size' | 'chunk' | 'trailer' = 'head';
  #kept: Buffer = Buffer.alloc(0);
  /** Bytes until the next thing that is looked at. */
  #left = 0;

  /** Watches a connection, ahead of the parser. */
  static of(socket: Socket): FramingWatch {
    const watch = new FramingWatch();
    socket.prependListener('data', (bytes: Buffer) => watch.push(bytes));
    return watch;
  }

  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0 && !this.ambiguous) {
      if (this.#left > 0) rest = this.#skip(rest);
      else rest = this.#state === 'head' ? this.#head(rest) : this.#line(rest);
    }
  }

  #skip(bytes: Buffer): Buffer {
    const skipped = Math.min(this.#left, bytes.length);
    this.#left -= skipped;
    if (this.#left === 0) this.#state = this.#state === 'chunk' ? 'size' : 'head';
    return bytes.subarray(skipped);
  }

  #head(bytes: Buffer): Buffer {
    const head = this.#upTo(HEAD_END, bytes, MAX_HEAD);
    if (head === null) return Buffer.alloc(0);
    const text = head.found.toString('latin1');
    if (CHUNKED.test(text)) this.#state = 'size';
    else this.#left = Number(LENGTH.exec(text)?.[1] ?? 0);
    if (this.#left > 0) this.#state = 'body';
    return head.rest;
  }

  /** The size of a chunk, or what follows the last one. */
  #line(bytes: Buffer): Buffer {
    const line = this.#upTo(Buffer.from(LINE_END), bytes, MAX_LINE);
    if (line === null) return Buffer.alloc(0);
    const text = line.found.toString('latin1');
    if (this.#state === 'trailer') this.#endBody(text);
    else this.#beginChunk(text);
    return line.rest;
  }

  #beginChunk(text: string): void {
    this.ambiguous = !SIZE.test(text);
    const size = Number.parseInt(text, 16);
    this.#state = size === 0 ? 'trailer' : 'chunk';
    this.#left = size === 0 ? 0 : size + LINE_END.length;
  }

  #endBody(text: string): void {
    this.ambiguous = text !== '';
    this.#state = 'head';
  }

  /** What comes before `end`, once it is there; null, and kept, while it is not. */
  #upTo(end: Buffer, bytes: Buffer, most: number): { found: Buffer; rest: Buffer } | null {
    const all = this.#kept.length === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
    const at = all.indexOf(end);
    this.ambiguous = (at < 0 ? all.length : at) > most;
    this.#kept = at < 0 && !this.ambiguous ? Buffer.from(all) : Buffer.alloc(0);
    return at < 0 ? null : { found: all.subarray(0, at), rest: all.subarray(at + end.length) };
  }
}
