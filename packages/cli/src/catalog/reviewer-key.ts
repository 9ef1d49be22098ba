import { writeFile } from 'node:fs/promises';
import type { Action } from '../action.ts';
import { EXIT, UsageError } from '../io.ts';

export const reviewerKeyAction: Action = {
  name: 'reviewer-key',
  usage: 'reviewer-key --out FILE',
  description: [
    'Makes the key with which a person approves catalogs and policy bundles, in a file that only they may read, and prints what the',
    'configuration needs to know of it. Whoever has the file approves in their name.',
  ],
  options: { out: { value: 'FILE', help: 'Where to write the key. A file that is there is not replaced.' } },
  examples: [['cmcp catalog reviewer-key --out ada.json', 'Once for each reviewer']],
  async run(_positionals, given, io) {
    const file = given.one('out');
    if (file === null) throw new UsageError('say where to write the key: --out FILE');
    const { newReviewerKey } = await import('@cmcp/gateway');
    const { text, x, keyId } = newReviewerKey();
    await writeFile(file, text, { mode: 0o600, flag: 'wx' });
    if (given.has('json')) io.out(`${JSON.stringify({ file, key: x, key_id: keyId }, null, 2)}\n`);
    else {
      io.out(`# ${file}: key id ${keyId}. For cmcp.yaml, with the reviewer’s name:\n`);
      io.out(`catalog:\n  approval:\n    threshold: 1\n    reviewers:\n      - { key: ${x}, principal: NAME }\n`);
    }
    return EXIT.done;
  },
};
