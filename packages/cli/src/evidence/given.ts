import { readFile } from 'node:fs/promises';
import {
  type AnchorPurpose,
  decodeHex,
  EncodingError,
  type EvidenceFiles,
  type EvidenceGiven,
  type EvidenceKind,
  type EvidencePolicy,
  FormatError,
  readEvidencePolicy,
  TPM_MAKER_ANCHORS,
  type TrustAnchor,
  VENDOR_ANCHORS,
} from '@cmcp/evidence';
import type { Arguments } from '../arguments.ts';
import { RefusedError, UsageError } from '../io.ts';
import { rfc3339 } from '../time.ts';
import { readRoots } from './roots.ts';

/** What the roots of a relying party may vouch for, by kind of evidence. */
export const PURPOSES: Record<EvidenceKind, readonly AnchorPurpose[]> = {
  'sev-snp': ['amd-sev'],
  tdx: ['intel-sgx'],
  tpm: ['tpm'],
  'azure-cvm': ['amd-sev', 'intel-sgx', 'tpm'],
  nvidia: ['nvidia-device'],
};

/** The files of `--file ROLE=PATH`, by role. @throws UsageError for a text of another form or a role that is named twice */
export async function readEvidenceFiles(named: readonly string[]): Promise<EvidenceFiles> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const text of named) {
    const [, role = '', path = ''] = /^([a-z][a-z0-9_]{0,39})=(.+)$/s.exec(text) ?? [];
    if (role === '')
      throw new UsageError(`--file takes ROLE=PATH, such as report=report.bin; not ${JSON.stringify(text)}`);
    if (files.has(role)) throw new UsageError(`--file names the role ${role} twice`);
    files.set(role, new Uint8Array(await readFile(path)));
  }
  return Object.fromEntries(files);
}

/** What the relying party says with its flags. Without `--at` the clock is this machine's. */
export async function readEvidenceGiven(kind: EvidenceKind, given: Arguments): Promise<EvidenceGiven> {
  const userData = hexOption(given, 'user-data');
  const nonce = hexOption(given, 'nonce');
  const measurement = given.one('measurement');
  const policy = await readPolicy(given.one('policy'));
  return {
    at: rfc3339(given.one('at')) ?? Math.floor(Date.now() / 1000),
    anchors: await readAnchors(given, PURPOSES[kind]),
    ...(userData !== null && { userData }),
    ...(nonce !== null && { nonce }),
    ...(measurement !== null && { measurement }),
    ...(policy !== null && { policy }),
  };
}

/** The roots that ship with the package, and those that `--root`, `--trust` and `--tpm-makers` add. */
export async function readAnchors(given: Arguments, purposes: readonly AnchorPurpose[]): Promise<TrustAnchor[]> {
  const files = [...given.many('root'), ...given.many('trust')];
  const named = await Promise.all(files.map((file) => readRoots(file, purposes)));
  return [...VENDOR_ANCHORS, ...(given.has('tpm-makers') ? TPM_MAKER_ANCHORS : []), ...named.flat()];
}

/** The appraisal policy in a file, or null where none is named. @throws RefusedError that says what is wrong with it */
export async function readPolicy(file: string | null): Promise<EvidencePolicy | null> {
  if (file === null) return null;
  try {
    return readEvidencePolicy(await readFile(file));
  } catch (error) {
    if (error instanceof FormatError) throw new RefusedError(`${file}: ${error.message}`);
    throw error;
  }
}

function hexOption(given: Arguments, name: string): Uint8Array<ArrayBuffer> | null {
  const value = given.one(name);
  if (value === null) return null;
  try {
    return decodeHex(value.toLowerCase());
  } catch (error) {
    if (error instanceof EncodingError) throw new UsageError(`--${name} takes bytes as hexadecimal digits`);
    throw error;
  }
}
