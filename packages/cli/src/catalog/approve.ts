import type { Review, SignedOff } from '@cmcp/gateway';
import type { Action } from '../action.ts';
import { findingsText } from '../findings.ts';
import { EXIT, type Io } from '../io.ts';
import { APPROVE_OPTIONS, approvingOf, signedText, unsignedText } from './approving.ts';
import { configOf } from './config.ts';
import { diffText } from './diff-text.ts';
import { jsonText } from './json-text.ts';
import { visible } from './visible.ts';

export const approveAction: Action = {
  name: 'approve',
  usage:
    'approve --key FILE [--yes] [--role ROLE] [--expires TIME] [--override RULE --reason TEXT] [--restart] [--config FILE]',
  description: [
    'Shows what changes since the last approval and what the linter finds in the whole catalog, and with --yes adds your approval to',
    'the record of the proposal (catalog.proposed.approval.json); without a proposal, of the catalog. Errors of the linter block it',
    'unless you answer for them by name; that is part of what is signed. Who must approve is said by `catalog.approval` of the',
    'configuration. Exit code 1 while nothing is signed.',
  ],
  options: APPROVE_OPTIONS,
  examples: [
    ['cmcp catalog approve --key ada.json', 'Look at it'],
    ['cmcp catalog approve --key ada.json --yes --expires 30d', 'Sign it, for thirty days'],
  ],
  async run(_positionals, given, io) {
    const by = await approvingOf(given);
    const config = await configOf(given, io);
    const { reviewCatalog, signOff } = await import('@cmcp/gateway');
    const review = await reviewCatalog(config);
    const signed = given.has('yes') ? await signOff(config.catalog.path, review, by, given.has('restart')) : null;
    if (given.has('json')) io.out(await jsonText(reported(review, signed)));
    else tell(review, signed, io);
    return signed === null ? EXIT.refused : EXIT.done;
  },
};

function reported({ change, diff, findings, since }: Review, signed: SignedOff | null): object {
  return { hash: change.hash, since, ...diff, findings, signed };
}

function tell({ diff, findings, since, change }: Review, signed: SignedOff | null, io: Io): void {
  if (since === 'nothing') io.out('Nothing of this was approved before, so that all of it is new:\n\n');
  io.out(diffText(diff));
  io.out(
    `\n${findingsText(
      change.hash,
      findings.map((each) => ({ ...each, where: visible(each.where) })),
    )}\n`,
  );
  io.out(signed === null ? unsignedText(findings) : signedText(signed, 'Enough. Next: cmcp catalog adopt'));
}
