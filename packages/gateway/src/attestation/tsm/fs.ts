import { constants } from 'node:fs';
import { mkdir, open, readdir, rmdir } from 'node:fs/promises';

/**
 * The file calls that evidence needs, as an argument: a directory of the kernel, or a test double of it. Promises reject as those of
 * node:fs do, with the errno in `code`.
 */
export interface TsmFs {
  mkdir(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  readdir(path: string): Promise<string[]>;
  /** All of `bytes` in one write at the start of a file that is there: attributes of the kernel take nothing else. */
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  /** The whole file. Rejects with EFBIG when it holds more than `most` bytes. */
  readFile(path: string, most: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** A file holds more than was to be read of it; the kernel gives the same errno for a blob of more than 32 KiB. */
class FileTooLarge extends Error {
  readonly code = 'EFBIG';
}

/** The machine's own files. Every call leaves the event loop free: a TDX quote may block for seconds. */
export const systemTsmFs: TsmFs = {
  async mkdir(path) {
    await mkdir(path);
  },
  async rmdir(path) {
    await rmdir(path);
  },
  readdir: (path) => readdir(path),
  async writeFile(path, bytes) {
    // Neither created nor truncated: a name that the kernel does not know must stay an error.
    const file = await open(path, constants.O_WRONLY);
    try {
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, null);
      if (bytesWritten !== bytes.length) throw Object.assign(new Error(`${path} took only a part`), { code: 'EIO' });
    } finally {
      await file.close();
    }
  },
  async readFile(path, most) {
    const file = await open(path, constants.O_RDONLY);
    try {
      const bytes = new Uint8Array(most + 1);
      let length = 0;
      while (length < bytes.length) {
        // Sizes of such files say nothing, so they are read until they end.
        const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
        if (bytesRead === 0) return bytes.slice(0, length);
        length += bytesRead;
      }
      throw new FileTooLarge(`${path} holds more than ${most} bytes`);
    } finally {
      await file.close();
    }
  },
};
