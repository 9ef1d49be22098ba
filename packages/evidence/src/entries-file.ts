import { encodeHex } from './bytes/hex.ts';
import type { Sha256 } from './crypto/sha256.ts';
import { type Finding, failed, notChecked, proven } from './finding.ts';
import { JsonError } from './json/error.ts';
import { type JsonLine, readJsonLine } from './json/line.ts';
import { LineCutter } from './lines.ts';
import type { EntriesFile } from './session-file.ts';

/** Some 480,000 entries. Both bounds keep a forged file from taking all time, and all memory for the ids in it. */
const MAX_BYTES = 512 * 1024 * 1024;
const MAX_VALUES = 16_000_000;
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** The bytes of a file: whole, or piece by piece, cut anywhere. */
export type FileBytes = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Reads the file beside a session file that holds its entries (contracts section 6), one entry at a time, and whether it is the one
 * that is named. What is taken before the answer is proven may be anything.
 *
 * @param take gets the entry on each line, in order, up to the first line that holds no entry
 */
export async function readEntriesFile(
  named: EntriesFile,
  bytes: FileBytes | undefined,
  hashing: Sha256,
  take: (entry: JsonLine) => void,
): Promise<Finding> {
  if (bytes === undefined) {
    const detail = `the entries are in another file, ${named.name}, and that file is missing`;
    return notChecked(detail, `the file ${named.name}, beside the session file`);
  }
  const problem = await problemIn(named, bytes, hashing, take);
  if (problem !== null) return failed(problem);
  return proven(`${named.name} has the digest and the ${named.entries} entries that the session file names`);
}

async function problemIn(
  named: EntriesFile,
  bytes: FileBytes,
  hashing: Sha256,
  take: (entry: JsonLine) => void,
): Promise<string | null> {
  // Callers without types: the answer is a report all the same.
  if (!isFileBytes(bytes)) return NOT_BYTES;
  const hash = hashing.start();
  const lines = new EntryLines(take);
  let size = 0;
  for await (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) {
    if (!(chunk instanceof Uint8Array)) return NOT_BYTES;
    size += chunk.length;
    if (size > MAX_BYTES) return `${named.name} is larger than ${MAX_BYTES} bytes`;
    hash.update(chunk);
    lines.add(chunk);
  }
  if (`sha256:${encodeHex(hash.digest())}` !== named.digest) {
    return `${named.name} has not the digest that the session file names`;
  }
  const problem = lines.end();
  if (problem !== null) return `${named.name}: ${problem}`;
  if (lines.count === named.entries) return null;
  return `${named.name} has ${lines.count} entries, and the session file says ${named.entries}`;
}

const NOT_BYTES = 'the entries were not given as bytes';

function isFileBytes(bytes: FileBytes): boolean {
  if (bytes instanceof Uint8Array) return true;
  return typeof bytes === 'object' && bytes !== null && Symbol.asyncIterator in bytes;
}

/** One object to a line, each line ended by one LF. */
class EntryLines {
  readonly #take: (entry: JsonLine) => void;
  readonly #cutter = new LineCutter(MAX_LINE_BYTES);
  #room = MAX_VALUES;
  #problem: string | null = null;
  count = 0;

  constructor(take: (entry: JsonLine) => void) {
    this.#take = take;
  }

  add(chunk: Uint8Array): void {
    // After a line that holds no entry only the digest of the file is of interest.
    if (this.#problem !== null) return;
    for (const line of this.#cutter.cut(chunk)) {
      this.count++;
      const entry = readLine(line, this.#room);
      if (typeof entry === 'string') {
        this.#problem = `line ${this.count} ${entry}`;
        return;
      }
      this.#room -= entry.items;
      this.#take(entry);
    }
    if (this.#cutter.isFull) this.#problem = `line ${this.count + 1} is longer than ${MAX_LINE_BYTES} bytes`;
  }

  /** What is wrong with the first line of which something is, once all was added. */
  end(): string | null {
    return this.#problem ?? (this.#cutter.isEmpty ? null : `line ${this.count + 1} is not ended`);
  }
}

function readLine(line: Uint8Array, room: number): JsonLine | string {
  try {
    return readJsonLine(line, room) ?? 'is not an object';
  } catch (error) {
    if (error instanceof JsonError) return `is not strict JSON: ${error.message}`;
    throw error;
  }
}
