import { type ApprovalRecord, canonicalSorted, digest } from '@cmcp/evidence';
import { filesInForce } from '../../approval/files.ts';
import type { Config } from '../../config/types.ts';
import { GatewayError } from '../../errors.ts';
import { loadBundle } from '../../policy/bundle.ts';
import { readBundleFiles } from '../../policy/bundle-files.ts';
import type { Approving } from '../approval/approve.ts';
import { promote, recordInForce, removePending } from '../approval/pending-files.ts';
import { type SignedOff, signOff } from '../approval/sign-off.ts';
import type { Finding } from '../finding.ts';

export interface ApprovedBundle extends SignedOff {
  hash: string;
  version: string;
}

/**
 * Adds an approval to the bundle in `folder`. When the quorum is reached, the record takes its place as `approval.json`. `folder`
 * may be another than the one in force: its record then follows the one that is.
 *
 * @throws GatewayError POLICY_INVALID, or POLICY_UNAPPROVED
 */
export async function approveBundle(
  config: Config,
  folder: string,
  findings: readonly Finding[],
  by: Approving,
  restart: boolean,
): Promise<ApprovedBundle> {
  const quorum = config.policy.approval;
  if (quorum === null) {
    throw new GatewayError('POLICY_UNAPPROVED', `${config.file} names no reviewers under \`policy.approval\``);
  }
  const { hash, version } = await loadBundle(folder);
  const record = await latest(config.policy.path, folder);
  const before = { hash: null, record };
  const change = { kind: 'bundle' as const, hash, before, changeSetDigest: await filesDigest(folder) };
  const signed = await signOff(folder, { change, quorum, findings }, by, restart);
  if (signed.reached) {
    await promote(signed.files, filesInForce('bundle', folder));
    await removePending(signed.files);
  }
  return { ...signed, hash, version };
}

/** The record that the new one follows: the higher sequence of the bundle’s own and of the one in force. */
async function latest(inForce: string, folder: string): Promise<ApprovalRecord | null> {
  const records = [await recordInForce('bundle', folder), await recordInForce('bundle', inForce)];
  const [first] = records.filter((record) => record !== null).sort((a, b) => b.sequence - a.sequence);
  return first ?? null;
}

/** What the bundle is made of, file by file. */
async function filesDigest(folder: string): Promise<string> {
  const { manifest, schema, policies } = await readBundleFiles(folder);
  return digest(canonicalSorted([manifest, schema, ...policies].map(({ path, text }) => [path, digest(text)])));
}
