import { newKeyAction } from '../new-key-action.ts';

export const reviewerKeyAction = newKeyAction({
  name: 'reviewer-key',
  description: [
    'Makes the key with which a person approves catalogs and policy bundles, in a file that only they may read, and prints what the',
    'configuration needs to know of it. Whoever has the file approves in their name.',
  ],
  examples: [['cmcp catalog reviewer-key --out ada.json', 'Once for each reviewer']],
  whose: 'reviewer',
  settings: (x) => `catalog:\n  approval:\n    threshold: 1\n    reviewers:\n      - { key: ${x}, principal: NAME }\n`,
});
