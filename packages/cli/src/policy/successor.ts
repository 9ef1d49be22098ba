import { writeFile } from 'node:fs/promises';
import { stringifyJson } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import { EXIT, RefusedError, UsageError } from '../io.ts';

export const successorAction: Action = {
  name: 'successor',
  usage: 'successor --key FILE --next FILE --reason TEXT --out FILE',
  description: [
    'Writes the statement by which a signing key names its successor, for `cmcp policy succeed-key`. The successor signs',
    'nothing until the key is revoked.',
  ],
  options: {
    key: { value: 'FILE', help: 'The Ed25519 private key, as a JWK or PEM file.' },
    next: { value: 'FILE', help: 'The key of the successor: a JWK, or its x alone.' },
    reason: { value: 'TEXT', help: 'Why. Recorded.' },
    out: { value: 'FILE', help: 'Where to write; it must not exist.' },
  },
  examples: [
    [
      'cmcp policy successor --key signer.jwk --next new.jwk --reason "yearly change" --out successor.json',
      'Before a key is changed',
    ],
  ],
  async run(_positionals, given, io) {
    const { nameSuccessor, readSigningKey, readVerifyingKey } = await import('@cmcp/gateway');
    const [key, next, reason, out] = ['key', 'next', 'reason', 'out'].map((name) => given.one(name) ?? '');
    if (!key || !next || !reason || !out) throw new UsageError('give --key, --next, --reason and --out');
    const successor = await readVerifyingKey(next);
    const statement = nameSuccessor(await readSigningKey(key), successor, new Date().toISOString(), reason);
    await writeFile(out, `${stringifyJson(statement)}\n`, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EEXIST' ? new RefusedError(`${out} is there already`) : error;
    });
    io.out(given.has('json') ? `${stringifyJson(statement)}\n` : `Wrote ${out}.\n`);
    return EXIT.done;
  },
};
