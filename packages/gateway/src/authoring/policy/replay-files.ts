import type { Config } from '../../config/types.ts';
import { loadRecording, type Recording } from './recording.ts';
import { readRecordingKey } from './recording-key.ts';
import { type Replay, replay } from './replay.ts';
import { openVocabulary, withBundle } from './workshop.ts';

export interface ReplayGiven {
  files: readonly string[];
  /** File of the private key that they are sealed to. */
  key: string;
  /** Folder of the bundle to try. */
  bundle: string;
  /** Folder of the bundle that was in force; null: not compared. */
  from: string | null;
}

/** A replay, and how whole the recordings were that it is made of. */
export interface ReplayReport extends Replay, Pick<Recording, 'problems' | 'notes'> {
  /** Whether every decision could be read and made again, and each came out the same. */
  same: boolean;
}

/**
 * Tries a bundle on recorded decisions, under the catalog of the configuration.
 *
 * @throws GatewayError RECORDING_INVALID, POLICY_INVALID, CATALOG_INVALID
 */
export async function replayFiles(config: Config, given: ReplayGiven): Promise<ReplayReport> {
  const { records, problems, notes } = await loadRecordings(given.files, given.key);
  const vocabulary = await openVocabulary(config);
  const replayed = await withBundle(given.bundle, vocabulary, async (next) => {
    if (given.from === null) return replay(records, vocabulary, next, null);
    return withBundle(given.from, vocabulary, (before) => replay(records, vocabulary, next, before));
  });
  const { changes, unread, before } = replayed;
  const odd = changes.length + unread.length + problems.length + (before?.disagrees.length ?? 0);
  return { same: odd === 0, ...replayed, problems, notes };
}

/** The recordings in these files, one after the other. @throws GatewayError RECORDING_INVALID */
export async function loadRecordings(files: readonly string[], keyFile: string): Promise<Recording> {
  const key = await readRecordingKey(keyFile);
  const all: Recording = { records: [], problems: [], notes: [] };
  for (const file of files) {
    const { records, problems, notes } = await loadRecording(file, key);
    // Not spread into push: a recording may hold more than a call takes arguments.
    all.records = all.records.concat(records);
    all.problems = all.problems.concat(problems);
    all.notes = all.notes.concat(notes);
  }
  return all;
}
