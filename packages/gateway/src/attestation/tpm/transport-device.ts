import { type FileHandle, open } from 'node:fs/promises';
import { TpmError } from './error.ts';
import { type Connection, MAX_ANSWER_BYTES, type Transport } from './transport.ts';

/** What is used of an open device. */
export type DeviceFile = Pick<FileHandle, 'read' | 'write' | 'close'>;

/** Opens a device for reading and writing. */
export type OpenDevice = (path: string) => Promise<DeviceFile>;

/**
 * The device of the kernel's resource manager. It is opened for each sequence: closing it flushes what the sequence left, and lets the
 * kernel tell sequences apart.
 */
export function deviceTransport(path: string, openDevice: OpenDevice = (file) => open(file, 'r+')): Transport {
  return {
    place: path,
    managed: true,
    connect: async () => new DeviceConnection(path, await attempt(path, 'be opened', openDevice(path))),
  };
}

class DeviceConnection implements Connection {
  readonly #path: string;
  readonly #file: DeviceFile;

  constructor(path: string, file: DeviceFile) {
    this.#path = path;
    this.#file = file;
  }

  /** One write is one command; the answer is read at once. The device has no position (kernel, tpm-dev-common.c). */
  async exchange(command: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const written = await attempt(this.#path, 'be written', this.#file.write(command, 0, command.length, null));
    if (written.bytesWritten !== command.length) {
      throw new TpmError('transport', `${this.#path} took ${written.bytesWritten} bytes of ${command.length}`);
    }
    const answer = new Uint8Array(MAX_ANSWER_BYTES);
    const { bytesRead } = await attempt(this.#path, 'be read', this.#file.read(answer, 0, answer.length, null));
    return answer.slice(0, bytesRead);
  }

  /** Waits for an operation that is under way: the kernel cannot be told to give up a command. */
  close(): Promise<void> {
    return attempt(this.#path, 'be closed', this.#file.close());
  }
}

async function attempt<T>(path: string, what: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TpmError('transport', `${path} cannot ${what}: ${reason}`, { cause });
  }
}
