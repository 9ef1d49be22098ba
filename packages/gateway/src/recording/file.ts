import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Where a recorder writes. Each call rejects with the system's error. */
export interface RecordFile {
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

/** A new file that its owner alone can read. Rejects when there is one already. */
export async function createRecordFile(path: string): Promise<RecordFile> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const handle: FileHandle = await open(path, 'wx', 0o600);
  return {
    append: (text) => handle.appendFile(text),
    close: () => handle.close(),
  };
}
