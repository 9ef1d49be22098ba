import { createReadStream } from 'node:fs';
import { access, open } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { type Io, RefusedError } from '../io.ts';

/** More than any document, certificate or key that belongs here. */
const MOST_BYTES = 262_144;

/** The contents of a file; `-` is standard input. @throws RefusedError when it is larger than anything that belongs here */
export async function readInput(path: string): Promise<Uint8Array<ArrayBuffer>> {
  // `end` is inclusive: one byte more than is accepted.
  const bytes = await buffer(createReadStream(path === '-' ? '/dev/stdin' : path, { end: MOST_BYTES }));
  if (bytes.length > MOST_BYTES)
    throw new RefusedError(`${path} is larger than ${MOST_BYTES} bytes, and none of these files`);
  return new Uint8Array(bytes);
}

/** For what is made before it can be written: finds out early that a file is in the way. @throws RefusedError */
export async function mustBeFree(path: string | null): Promise<void> {
  if (path === null) return;
  const inTheWay = await access(path).then(
    () => true,
    () => false,
  );
  if (inTheWay) throw new RefusedError(`${path} exists already, and is not replaced`);
}

/** Writes a result into a new file, or to standard output where none is named. */
export async function writeOutput(path: string | null, text: string, io: Io, mode = 0o644): Promise<void> {
  if (path === null) {
    io.out(text);
    return;
  }
  await using handle = await open(path, 'wx', mode);
  await handle.writeFile(text);
  await handle.sync();
}
