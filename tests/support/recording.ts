import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loadRecording, type Recording } from '../../packages/gateway/src/authoring/policy/recording.ts';
import { createRecordingKey, readRecordingKey } from '../../packages/gateway/src/authoring/policy/recording-key.ts';
import { TestBed, type TestSetup, type TestTool } from './gateway.ts';

/** One that takes a note, and one that reads sensitive data. */
export const NOTED_TOOLS: TestTool[] = [
  { name: 'echo', inputSchema: { type: 'object', properties: { note: { type: 'string' } } } },
  { name: 'wipe', catalog: { sensitivity: 'pii' } },
];

/** A bed whose gateways record decisions for a key that lies in the bed. */
export interface RecordingBed {
  bed: TestBed;
  keyFile: string;
  keyId: string;
  /** Paths of the recordings, oldest first where there is one for each run. */
  files(): Promise<string[]>;
  read(file?: string): Promise<Recording>;
}

/** Runs a test on a {@link RecordingBed}, which is gone afterwards. */
export async function withRecordingBed(
  setup: TestSetup,
  run: (recording: RecordingBed) => Promise<void>,
): Promise<void> {
  const bed = await TestBed.create(setup);
  try {
    const keyFile = join(bed.folder, 'recording.key');
    const { key, keyId } = await createRecordingKey(keyFile);
    await bed.writeConfig(`record: { decisions: { to: ./recordings, key: ${key} } }\n${setup.config ?? ''}`);
    const folder = join(bed.folder, 'recordings');
    const files = async (): Promise<string[]> => (await readdir(folder)).map((name) => join(folder, name));
    const read = async (file?: string): Promise<Recording> => {
      const [only = ''] = file === undefined ? await files() : [file];
      return loadRecording(only, await readRecordingKey(keyFile));
    };
    await run({ bed, keyFile, keyId, files, read });
  } finally {
    await bed.close();
  }
}
