import { readFile } from 'node:fs/promises';
import { type ApproverExpectation, type Expectations, FormatError, readApprovers } from '@cmcp/evidence';
import type { Arguments } from '../arguments.ts';
import { RefusedError } from '../io.ts';
import { readKey } from '../keys.ts';

/** Who may approve calls, as the relying party knows it. @throws RefusedError for a file that does not hold what it should */
export async function readApproversOfCalls(given: Arguments): Promise<Pick<Expectations, 'approvers'>> {
  const source = given.one('approvers');
  const keys = await Promise.all(given.many('approver-key').map(readKey));
  if (source === null && keys.length === 0) return {};
  return { approvers: { keys, ...(source !== null && { list: await listIn(source) }) } };
}

async function listIn(source: string): Promise<NonNullable<ApproverExpectation['list']>> {
  try {
    return { approvers: readApprovers(new Uint8Array(await readFile(source))), source };
  } catch (error) {
    if (error instanceof FormatError) throw new RefusedError(`${source}: ${error.message}`);
    throw error;
  }
}
