import { randomUUID } from 'node:crypto';
import { access, readFile, rename, rm, writeFile } from 'node:fs/promises';
import {
  type ApprovalKind,
  type ApprovalRecord,
  FormatError,
  parseApprovalChecks,
  parseApprovalRecord,
} from '@cmcp/evidence';
import { type ApprovalFiles, filesInForce, readApprovalFile, UNAPPROVED } from '../../approval/files.ts';
import { GatewayError } from '../../errors.ts';
import { prettyJson } from '../../setup/pretty-json.ts';
import type { Pending } from './approve.ts';

/** Where a record lies until its quorum is reached: what is in force is not touched before. */
export function pendingFiles(kind: ApprovalKind, path: string): ApprovalFiles {
  if (kind === 'bundle') {
    return { record: `${path}/approval.proposed.json`, checks: `${path}/approval.proposed.checks.json` };
  }
  const stem = path.replace(/\.json$/, '');
  return { record: `${stem}.proposed.approval.json`, checks: `${stem}.proposed.checks.json` };
}

/** The record that others began, or null. @throws GatewayError CATALOG_UNAPPROVED or POLICY_UNAPPROVED */
export async function readPending(kind: ApprovalKind, files: ApprovalFiles): Promise<Pending | null> {
  if (!(await exists(files.record))) return null;
  const { raw, approvals } = await readRecord(kind, files.record);
  const checks = await read(kind, files.checks, parseApprovalChecks);
  return { record: { ...raw, approvals }, checks };
}

/** The record of what is in force, or null where there is none. It is not verified here. */
export async function recordInForce(kind: ApprovalKind, path: string): Promise<ApprovalRecord | null> {
  const { record } = filesInForce(kind, path);
  return (await exists(record)) ? readRecord(kind, record) : null;
}

export async function writePending(files: ApprovalFiles, { record, checks }: Pending): Promise<void> {
  // The record last: it covers the checks.
  await replace(files.checks, prettyJson(checks));
  await replace(files.record, prettyJson(record));
}

/** Puts what waits in force. It stays where it is, so that an interruption leaves everything to do it again. */
export async function promote(pending: ApprovalFiles, inForce: ApprovalFiles): Promise<void> {
  await replace(inForce.checks, (await readFile(pending.checks, 'utf8')).trimEnd());
  await replace(inForce.record, (await readFile(pending.record, 'utf8')).trimEnd());
}

export async function removePending(files: ApprovalFiles): Promise<void> {
  await rm(files.record, { force: true });
  await rm(files.checks, { force: true });
}

/** A file is the old one or the new one, never half of it. */
export async function replace(path: string, text: string): Promise<void> {
  const beside = `${path}.${randomUUID()}.tmp`;
  await writeFile(beside, `${text}\n`, { mode: 0o644, flag: 'wx', flush: true });
  await rename(beside, path);
}

export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

function readRecord(kind: ApprovalKind, path: string): Promise<ApprovalRecord> {
  return read(kind, path, (bytes) => parseApprovalRecord(bytes, kind));
}

async function read<T>(kind: ApprovalKind, path: string, parse: (bytes: Uint8Array) => T): Promise<T> {
  const bytes = await readApprovalFile(kind, path);
  try {
    return parse(bytes);
  } catch (error) {
    if (error instanceof FormatError) throw new GatewayError(UNAPPROVED[kind], `${path}: ${error.message}`);
    throw error;
  }
}
