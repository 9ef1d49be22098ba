import type { Readable } from 'node:stream';

/** One line of input without its newline, or the news that one was too long to keep. */
export type Line = { bytes: Uint8Array } | { tooLong: true };

const NEWLINE = 0x0a;

/** Splits input at newlines. A line beyond `maxBytes` bytes is dropped while it streams; the next one is read again. */
export async function* readLines(input: Readable, maxBytes: number): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    let rest: Buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield line([...parts, rest.subarray(0, end)], size + end, maxBytes);
      parts = [];
      size = 0;
      rest = rest.subarray(end + 1);
    }
    size += rest.length;
    if (size > maxBytes) parts = [];
    else parts.push(rest);
  }
  if (size > 0) yield line(parts, size, maxBytes);
}

function line(parts: Buffer[], size: number, maxBytes: number): Line {
  return size > maxBytes ? { tooLong: true } : { bytes: Buffer.concat(parts, size) };
}
