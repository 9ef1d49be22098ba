/** Runs the strict parser on large bodies, off the event loop. Sends a verdict back, never the body. */
import { parentPort } from 'node:worker_threads';
import { JsonError, parseJson } from '@cmcp/evidence';
import { type ExactNumbers, findExactNumbers } from './numbers.ts';

export interface ParseTask {
  task: number;
  bytes: Uint8Array;
  limits: { bytes: number; depth: number; items: number };
}

export type ParseVerdict = { task: number; numbers: ExactNumbers } | { task: number; refused: string };

/** Numbers in one body that have to be carried as text. */
const MAX_EXACT_NUMBERS = 200_000;

function judge({ task, bytes, limits }: ParseTask): ParseVerdict {
  try {
    const numbers = findExactNumbers(parseJson(bytes, limits), MAX_EXACT_NUMBERS);
    return numbers === null ? { task, refused: 'TOO_MANY_ITEMS' } : { task, numbers };
  } catch (error) {
    if (error instanceof JsonError) return { task, refused: error.code };
    throw error;
  }
}

parentPort?.on('message', (task: ParseTask) => parentPort?.postMessage(judge(task)));
