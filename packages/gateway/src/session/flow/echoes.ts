import type { JsonValue } from '@cmcp/evidence';
import { leavesOf } from './leaves.ts';
import { ValueStream } from './value-stream.ts';
import { ANCHOR, type WindowKey } from './window-key.ts';

/** Codes of a request. Of a longer one nothing counts as repeated: it could hold a whole list of guesses. */
const MAX_SENT = 4096;

/**
 * What an answer repeats of the request that it answers: whoever sent it had it before. Else every id that is looked up would count as
 * given by the tool that it was looked up with.
 */
export class Echoes {
  readonly #key: WindowKey;
  readonly #sent: string;
  readonly #anchors = new Set<number>();

  constructor(key: WindowKey, sent: JsonValue) {
    this.#key = key;
    const stream = new ValueStream();
    const { texts } = leavesOf(sent);
    const size = texts.reduce((sum, text) => sum + text.length, 0);
    if (size <= MAX_SENT) for (const text of texts) stream.add(text);
    this.#sent = stream.text(0, stream.length);
    for (let start = 0; start + ANCHOR <= stream.length; start += 1) {
      this.#anchors.add(key.anchor(stream.codes, start, 1));
    }
  }

  /** Whether a window of an answer is one. */
  has(stream: ValueStream, start: number, length: number): boolean {
    if (this.#sent.length < length) return false;
    if (length >= ANCHOR && !this.#anchors.has(this.#key.anchor(stream.codes, start, 1))) return false;
    return this.#sent.includes(stream.text(start, start + length));
  }
}
