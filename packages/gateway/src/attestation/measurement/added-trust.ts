import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalSorted, digest } from '@cmcp/evidence';
import { GatewayError } from '../../errors.ts';
import { hashFiles } from './file-hashes.ts';

/** What brings certificates besides those that Node.js is built with (Node.js 24, "Command-line API"): files, and a folder. */
const FILES = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'];
const FOLDER = 'SSL_CERT_DIR';
/** What brings those of the system. They belong to its image; that they are trusted belongs here. */
const SYSTEM_VARIABLE = 'NODE_USE_SYSTEM_CA';
const SYSTEM_FLAG = /^--use[-_]system[-_]ca(?:=|$)/;

/**
 * Whom a process trusts besides the authorities that Node.js is built with: by variable or flag, a digest (`sha256:…`) of what it
 * brings. Of files the bytes, in a folder their names too, by which certificates are found; no path. Empty when nothing is set.
 * @throws GatewayError PROCESS_UNSAFE for what cannot be read, because it could be there when Node.js looks, and for what is no regular file
 */
export function addedTrust(
  flags: readonly string[],
  variables: Readonly<Record<string, string>>,
): Record<string, string> {
  const { [FOLDER]: folder, [SYSTEM_VARIABLE]: system } = variables;
  const found = FILES.flatMap((name): [string, string][] => {
    const file = variables[name];
    return file === undefined ? [] : [[name, digestOf(file === '' ? [] : [['', file]])]];
  });
  if (folder !== undefined) found.push([FOLDER, digestOf(folder === '' ? [] : filesIn(folder))]);
  if (system !== undefined) found.push([SYSTEM_VARIABLE, digest(system)]);
  found.push(...flags.filter((flag) => SYSTEM_FLAG.test(flag)).map((flag): [string, string] => [flag, digest(flag)]));
  return Object.fromEntries(found);
}

function digestOf(files: readonly [name: string, path: string][]): string {
  const hashes = hashFiles(files.map(([, path]) => path));
  return digest(files.map(([name], index) => canonicalSorted([name, hashes[index] ?? ''])).join('\n'));
}

/** Its files, links to files among them: folders of certificates are full of links. */
function filesIn(folder: string): [name: string, path: string][] {
  try {
    const entries = readdirSync(folder).map((name): [string, string] => [name, join(folder, name)]);
    return entries.filter(([, path]) => !statSync(path).isDirectory()).sort(([a], [b]) => (a < b ? -1 : 1));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    const why = `${FOLDER} names ${folder}, which is no folder that can be read (${error.code}), so it cannot be measured`;
    throw new GatewayError('PROCESS_UNSAFE', why, { cause: error });
  }
}
