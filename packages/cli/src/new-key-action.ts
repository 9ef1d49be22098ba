import { writeFile } from 'node:fs/promises';
import type { Action } from './action.ts';
import { EXIT, UsageError } from './io.ts';

/** What differs between the keys that people sign with. */
interface NewKey extends Pick<Action, 'name' | 'description' | 'examples'> {
  /** Whose key it is, in a sentence. */
  whose: string;
  /** What the configuration needs to know of its public half `x`. */
  settings: (x: string) => string;
}

/** An action that makes an Ed25519 key, in a file that only its owner may read. */
export function newKeyAction({ whose, settings, ...action }: NewKey): Action {
  return {
    ...action,
    usage: `${action.name} --out FILE`,
    options: { out: { value: 'FILE', help: 'Where to write the key. A file that is there is not replaced.' } },
    async run(_positionals, given, io) {
      const file = given.one('out');
      if (file === null) throw new UsageError('say where to write the key: --out FILE');
      const { newReviewerKey } = await import('@cmcp/gateway');
      const { text, x, keyId } = newReviewerKey();
      await writeFile(file, text, { mode: 0o600, flag: 'wx' });
      if (given.has('json')) io.out(`${JSON.stringify({ file, key: x, key_id: keyId }, null, 2)}\n`);
      else io.out(`# ${file}: key id ${keyId}. For cmcp.yaml, with the ${whose}’s name:\n${settings(x)}`);
      return EXIT.done;
    },
  };
}
