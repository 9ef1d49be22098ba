import { readFile } from 'node:fs/promises';
import { readKeyText, type TrustedKey } from '@cmcp/evidence';
import { RefusedError } from './io.ts';

/**
 * Reads the key that a relying party names with `--key`: an Ed25519 JWK, or its `x` alone.
 * @throws RefusedError when the file holds neither
 */
export async function readKey(file: string): Promise<TrustedKey> {
  const x = readKeyText(await readFile(file, 'utf8'));
  if (x === null) {
    throw new RefusedError(`${file} holds no Ed25519 public key: expected a JWK, or its x in base64url on one line`);
  }
  return { x, source: file };
}

/**
 * The keys of dev-mode gateways that ran on this machine for this user, so that a first verification needs no `--key`.
 * The source says so, because it is this machine's word and nobody else's. Lines that hold no key are skipped.
 */
export async function knownKeys(variables: Readonly<Record<string, string>>): Promise<TrustedKey[]> {
  const { knownKeysFile } = await import('@cmcp/gateway');
  const file = knownKeysFile(variables);
  if (file === null) return [];
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const keys = text.split('\n').map((line) => readKeyText(line.trim().split(' ')[0] ?? ''));
  return keys.filter((x) => x !== null).map((x) => ({ x, source: `known on this machine: ${file}`, remembered: true }));
}
