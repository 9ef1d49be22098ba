import type { Proposal } from '@cmcp/gateway';
import type { Arguments } from '../arguments.ts';
import { EXIT, type Io } from '../io.ts';
import { diffText } from './diff-text.ts';
import { jsonText } from './json-text.ts';
import { visible } from './visible.ts';

/** Tells what was proposed. Exit code 1 when a server could not be asked: the proposal is not the whole answer. */
export async function tellProposal({ file, diff, unanswered }: Proposal, given: Arguments, io: Io): Promise<number> {
  if (given.has('json')) io.out(await jsonText({ file, ...diff, unanswered }));
  else {
    io.out(diffText(diff));
    io.out(`\nProposed in ${file}; the catalog in force is as it was. Next: cmcp catalog approve\n`);
  }
  for (const { server, reason } of unanswered) io.err(`cmcp: ${visible(`${server} could not be asked: ${reason}`)}\n`);
  return unanswered.length === 0 ? EXIT.done : EXIT.refused;
}
