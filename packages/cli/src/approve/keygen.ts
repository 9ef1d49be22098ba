import { newKeyAction } from '../new-key-action.ts';

export const keygenAction = newKeyAction({
  name: 'keygen',
  description: [
    'Makes the key with which you sign what you approve, in a file that only you may read, and prints what the configuration needs',
    'to know of it. Keep it where no gateway and no agent is: whoever has the file approves in your name.',
  ],
  examples: [['cmcp approve keygen --out anna.jwk', 'Once for each approver']],
  whose: 'operator',
  settings: (x) =>
    `approvals:\n  approvers:\n    finance: { operators: [NAME], keys: [${x}], required_signature: true }\n`,
});
