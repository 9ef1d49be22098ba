import { readFile } from 'node:fs/promises';
import {
  type Expectations,
  FormatError,
  readKeyText,
  readManifestKeys,
  readRevocationKey,
  readRevocations,
} from '@cmcp/evidence';
import type { Arguments } from '../arguments.ts';
import { RefusedError, UsageError } from '../io.ts';

/** What the relying party brings beside its pins: documents of others about the session. @throws RefusedError, UsageError */
export async function readSupplements(given: Arguments): Promise<Expectations> {
  return {
    actions: await Promise.all(
      given.many('action').map(async (source) => ({ payload: await bytesOf(source), source })),
    ),
    ...(await manifestOf(given)),
    ...(await revocationOf(given)),
    ...(await anchorOf(given)),
  };
}

async function manifestOf(given: Arguments): Promise<Pick<Expectations, 'manifest'>> {
  const [file, keyFile, listFile] = [
    given.one('agent-manifest'),
    given.one('manifest-keys'),
    given.one('manifest-revocations'),
  ];
  const keys = keyFile === null ? [] : await readAs(keyFile, (bytes) => readManifestKeys(bytes, keyFile));
  const revocations = listFile === null ? null : await readAs(listFile, (bytes) => readRevocations(bytes));
  const document = file === null ? null : await bytesOf(file);
  const delegationKeys = Object.fromEntries(given.many('delegation-key').map(delegationKey));
  return {
    manifest: {
      keys,
      delegationKeys,
      ...(document !== null && { document }),
      ...(revocations !== null && { revocations }),
    },
  };
}

/** @throws UsageError */
function delegationKey(text: string): [principal: string, key: string] {
  const end = text.lastIndexOf('=');
  const key = readKeyText(text.slice(end + 1));
  if (end < 1 || key === null) throw new UsageError(`--delegation-key: ${text} is not PRINCIPAL=KEY`);
  return [text.slice(0, end), key];
}

async function revocationOf(given: Arguments): Promise<Pick<Expectations, 'revocation'>> {
  const file = given.one('revocation-bundle');
  const named = given.many('revocation-key');
  if (file === null && named.length > 0) throw new UsageError('--revocation-key goes with --revocation-bundle');
  if (file === null) return {};
  const keys = await Promise.all(named.map((name) => readAs(name, (bytes) => readRevocationKey(bytes, name))));
  return { revocation: { bundle: await bytesOf(file), keys } };
}

async function anchorOf(given: Arguments): Promise<Pick<Expectations, 'anchor'>> {
  const [entry, proof] = [given.one('anchor-entry'), given.one('anchor-proof')];
  if (entry === null && proof === null) return {};
  if (entry === null || proof === null) throw new UsageError('--anchor-entry and --anchor-proof belong together');
  return { anchor: { entry: await bytesOf(entry), proof: await bytesOf(proof) } };
}

async function bytesOf(file: string): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from(await readFile(file));
}

/** @throws RefusedError with what is wrong with the file */
async function readAs<T>(file: string, read: (bytes: Uint8Array<ArrayBuffer>) => T): Promise<T> {
  const bytes = await bytesOf(file);
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof FormatError) throw new RefusedError(error.message);
    throw error;
  }
}
