import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { keyId } from '@cmcp/evidence';

/**
 * Writes the public half of this process's claim key to `<folder>/<kid>.jwk`, for `cmcp verify --key`.
 * `publicKey`: raw Ed25519 key, base64url. Returns the file's path.
 */
export async function publishKey(folder: string, publicKey: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${keyId(publicKey)}.jwk`);
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: publicKey, kid: keyId(publicKey) };
  await writeFile(file, `${JSON.stringify(jwk)}\n`, { mode: 0o644 });
  return file;
}

/**
 * Remembers a dev-mode key for this user, so that `cmcp verify` on this machine can tell its own gateways' sessions from
 * others'. One line a key: `<x> <since>`. Only software keys are kept so: hardware evidence needs no such list.
 */
export async function rememberKey(file: string, publicKey: string, since: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await appendFile(file, `${publicKey} ${since}\n`, { mode: 0o600 });
}
