import { readFile } from 'node:fs/promises';
import { type Expectations, FormatError, type QuorumFile, readQuorum } from '@cmcp/evidence';
import type { Arguments } from '../arguments.ts';
import { RefusedError, UsageError } from '../io.ts';

/** The approval records that a relying party holds, and its own quorum. @throws UsageError, RefusedError */
export async function readApprovals(given: Arguments): Promise<Pick<Expectations, 'approvals'>> {
  const source = given.one('reviewers');
  const [catalog, bundle] = [given.one('catalog-approval'), given.one('policy-approval')];
  if (source === null && catalog === null && bundle === null) return {};
  if (source === null) throw new UsageError('an approval is held to --reviewers; a record cannot say whose count');
  if (catalog === null && bundle === null)
    throw new UsageError('--reviewers goes with --catalog-approval or --policy-approval');
  return {
    approvals: {
      quorum: await quorumIn(source),
      source,
      ...(catalog !== null && { catalog: new Uint8Array(await readFile(catalog)) }),
      ...(bundle !== null && { bundle: new Uint8Array(await readFile(bundle)) }),
    },
  };
}

async function quorumIn(file: string): Promise<QuorumFile> {
  try {
    return readQuorum(new Uint8Array(await readFile(file)));
  } catch (error) {
    if (error instanceof FormatError) throw new RefusedError(`${file}: ${error.message}`);
    throw error;
  }
}
