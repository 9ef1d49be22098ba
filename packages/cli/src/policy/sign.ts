import { lstat } from 'node:fs/promises';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, type Io, UsageError } from '../io.ts';
import { columns } from '../table.ts';

export const signAction: Action = {
  name: 'sign',
  usage: 'sign [--config FILE|FOLDER] --key FILE',
  description: [
    'Signs the policy bundle of a configuration, or of the folder that --config names, and writes the signature into its',
    'manifest.json. The key is that of `cmcp policy signing-key`; a gateway never needs it.',
  ],
  options: {
    key: { value: 'FILE', help: 'The Ed25519 private key, as a JWK or PEM file.' },
  },
  examples: [['cmcp policy sign --config cmcp/policy --key signer.jwk', 'After review, on the machine of the signer']],
  async run(_positionals, given, io) {
    const { readSigningKey, signBundle } = await import('@cmcp/gateway');
    const key = given.one('key');
    if (key === null) throw new UsageError('name the file of the signing key with --key');
    const { hash, version, keyId } = await signBundle(await bundleFolder(given, io), await readSigningKey(key));
    const told = { bundle_hash: hash, version, key_id: keyId };
    const rows = Object.entries(told).map(([name, value]) => [name.replaceAll('_', ' '), value]);
    io.out(given.has('json') ? `${JSON.stringify(told)}\n` : `Signed.\n${columns(rows)}\n`);
    return EXIT.done;
  },
};

/** The folder that `--config` names, or that of the bundle of the configuration. */
async function bundleFolder(given: Arguments, io: Io): Promise<string> {
  const named = given.one('config') ?? DEFAULT_CONFIG;
  const folder = await lstat(named).then(
    (stat) => stat.isDirectory(),
    () => false,
  );
  if (folder) return named;
  const { readConfigWithoutSecrets, readEnvironment } = await import('@cmcp/gateway');
  return (await readConfigWithoutSecrets(named, readEnvironment(io.variables))).policy.path;
}
