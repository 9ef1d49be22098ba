import type { Action } from '../action.ts';
import { EXIT, UsageError } from '../io.ts';

export const keygenAction: Action = {
  name: 'keygen',
  usage: 'keygen --out FILE',
  description: [
    'Makes a key that a gateway can record decisions for. The private key goes into a new file that only you can read; the public',
    'key is printed for record.decisions.key. Keep the private key away from the gateway.',
  ],
  options: { out: { value: 'FILE', help: 'Where to write; it must not exist.' } },
  examples: [['cmcp policy keygen --out recording.key', 'A key for recordings of decisions']],
  async run(positionals, given, io) {
    const out = given.one('out');
    if (out === null || positionals.length > 0) throw new UsageError('say where to write the key: --out FILE');
    const { createRecordingKey } = await import('@cmcp/gateway');
    const { key, keyId } = await createRecordingKey(out);
    if (given.has('json')) {
      io.out(`${JSON.stringify({ file: out, key, key_id: keyId }, null, 2)}\n`);
      return EXIT.done;
    }
    io.out(
      `The private key is in ${out}. Whoever has it can read the recordings; keep it off the gateway's machine.\n\n`,
    );
    io.out(`In cmcp.yaml:\n\nrecord:\n  decisions:\n    to: ./recordings\n    key: ${key}\n\n`);
    io.out(`Sessions then commit to decision_recording ${keyId}.\n`);
    return EXIT.done;
  },
};
