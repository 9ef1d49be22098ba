import type { ApprovalKind } from '@cmcp/evidence';
import { readRegularFile } from '../catalog/read-file.ts';
import { GatewayError } from '../errors.ts';

/** Where an approval lies: the detached record, and the checks that it covers. */
export interface ApprovalFiles {
  record: string;
  checks: string;
}

export const UNAPPROVED = { catalog: 'CATALOG_UNAPPROVED', bundle: 'POLICY_UNAPPROVED' } as const;

const MAX_BYTES = 8 * 1024 * 1024;

/** The approval of what is in force: beside a catalog file, inside a bundle's folder. */
export function filesInForce(kind: ApprovalKind, path: string): ApprovalFiles {
  if (kind === 'bundle') return { record: `${path}/approval.json`, checks: `${path}/approval.checks.json` };
  const stem = path.replace(/\.json$/, '');
  return { record: `${stem}.approval.json`, checks: `${stem}.checks.json` };
}

/** A file of an approval. @throws GatewayError CATALOG_UNAPPROVED or POLICY_UNAPPROVED when it cannot be read */
export function readApprovalFile(kind: ApprovalKind, path: string): Promise<Uint8Array> {
  return readRegularFile(path, MAX_BYTES, (problem) => new GatewayError(UNAPPROVED[kind], `${path}: ${problem}`));
}
