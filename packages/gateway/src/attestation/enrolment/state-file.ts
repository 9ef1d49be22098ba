import { open, unlink } from 'node:fs/promises';
import { checkAnswer } from './challenge.ts';
import { type EnrolmentAnswer, type EnrolmentState, readState, writeState } from './documents.ts';
import { refused } from './refusal.ts';

const MOST_BYTES = 65_536;

/** Keeps what an answer will be compared with, for its owner alone (0600). Never replaces a file: it could be another challenge's. */
export async function keepState(path: string, state: EnrolmentState): Promise<void> {
  await using handle = await open(path, 'wx', 0o600);
  await handle.writeFile(writeState(state));
  await handle.sync();
}

/**
 * Compares an answer with the state of its challenge, and uses the state up: whatever the comparison says, there is no second one.
 *
 * @param at the enroller's clock, seconds since the epoch
 * @throws GatewayError ENROLMENT_REFUSED
 */
export async function redeem(answer: EnrolmentAnswer, path: string, at: number): Promise<EnrolmentState> {
  const state = readState(await contents(path), path);
  if (answer.id !== state.id) {
    throw refused(`the answer is to another challenge than that of ${path}. Give the state that was written with it`);
  }
  // Of two commands with one state, one finds nothing to remove.
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? used(path) : error;
  });
  checkAnswer(answer, state, at);
  return state;
}

async function contents(path: string): Promise<Uint8Array> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? used(path) : error;
  });
  await using opened = handle;
  const { bytesRead, buffer } = await opened.read(new Uint8Array(MOST_BYTES + 1), 0, MOST_BYTES + 1, 0);
  if (bytesRead > MOST_BYTES) throw refused(`${path} is too large to be the state of a challenge`);
  return buffer.subarray(0, bytesRead);
}

function used(path: string): Error {
  return refused(
    `there is no state at ${path}: it was used, or never written. A challenge is answered once; make another from the request`,
  );
}
