import type { Action } from '../action.ts';
import { EXIT, UsageError } from '../io.ts';

export const signingKeyAction: Action = {
  name: 'signing-key',
  usage: 'signing-key --out FILE',
  description: [
    'Makes an Ed25519 key that signs policy bundles and writes it to a file that only you may read. It prints the public key,',
    'which goes into `policy.key` of the configuration, and its id. Keep the file off the machines that serve.',
  ],
  options: { out: { value: 'FILE', help: 'Where to write; it must not exist.' } },
  examples: [['cmcp policy signing-key --out signer.jwk', 'Once, by whoever signs']],
  async run(_positionals, given, io) {
    const { createSigningKey } = await import('@cmcp/gateway');
    const out = given.one('out');
    if (out === null) throw new UsageError('say where to write the key with --out');
    const { x, keyId } = await createSigningKey(out);
    const text = `Wrote ${out}. Key id: ${keyId}\n  policy: {key: "${x}"}\n`;
    io.out(given.has('json') ? `${JSON.stringify({ file: out, key: x, key_id: keyId })}\n` : text);
    return EXIT.done;
  },
};
