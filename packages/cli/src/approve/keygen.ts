import { writeFile } from 'node:fs/promises';
import type { Action } from '../action.ts';
import { EXIT, UsageError } from '../io.ts';

export const keygenAction: Action = {
  name: 'keygen',
  usage: 'keygen --out FILE',
  description: [
    'Makes the key with which you sign what you approve, in a file that only you may read, and prints what the configuration needs',
    'to know of it. Keep it where no gateway and no agent is: whoever has the file approves in your name.',
  ],
  options: { out: { value: 'FILE', help: 'Where to write the key. A file that is there is not replaced.' } },
  examples: [['cmcp approve keygen --out anna.jwk', 'Once for each approver']],
  async run(_positionals, given, io) {
    const file = given.one('out');
    if (file === null) throw new UsageError('say where to write the key: --out FILE');
    const { newReviewerKey } = await import('@cmcp/gateway');
    const { text, x, keyId } = newReviewerKey();
    await writeFile(file, text, { mode: 0o600, flag: 'wx' });
    if (given.has('json')) io.out(`${JSON.stringify({ file, key: x, key_id: keyId }, null, 2)}\n`);
    else {
      io.out(`# ${file}: key id ${keyId}. For cmcp.yaml, with the operator’s name:\n`);
      io.out(`approvals:\n  approvers:\n    finance: { operators: [NAME], keys: [${x}], required_signature: true }\n`);
    }
    return EXIT.done;
  },
};
