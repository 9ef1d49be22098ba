import type { Proposal } from '@cmcp/gateway';
import type { Arguments } from '../arguments.ts';
import { EXIT, type Io } from '../io.ts';
import { diffText } from './diff-text.ts';
import { visible } from './visible.ts';

/** Tells what was proposed. Exit code 1 when a server could not be asked: the proposal is not the whole answer. */
export function tellProposal({ file, diff, unanswered }: Proposal, given: Arguments, io: Io): number {
  if (given.has('json')) io.out(`${JSON.stringify({ file, ...diff, unanswered }, null, 2)}\n`);
  else {
    io.out(diffText(diff));
    io.out(`\nProposed in ${file}; the catalog in force is as it was. Next: cmcp catalog approve\n`);
  }
  for (const { server, reason } of unanswered) io.err(`cmcp: ${visible(`${server} could not be asked: ${reason}`)}\n`);
  return unanswered.length === 0 ? EXIT.done : EXIT.refused;
}
