import { readBase64Url } from '../bytes/base64url.ts';
import { decodeUtf8, EncodingError } from '../bytes/utf8.ts';
import { type Finding, failed, informative, notChecked, proven } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import { nullable, object, text, time } from '../shape.ts';
import type { ManifestContext } from './context.ts';
import type { ManifestDocument } from './document.ts';
import type { Gate } from './gates.ts';
import { verifyWith } from './keys.ts';
import { recordBytes } from './preimage.ts';
import { stage } from './stage.ts';

/** One line of a revocation list (wire-formats section 16.7). Not authenticated by being read. */
export interface RevocationRecord {
  manifest_id: string;
  revoked_at: string;
  reason: string;
  revoked_by: string;
  revocation_signature?: string | null;
  signer_key_id?: string | null;
}

const RECORD = object(
  { manifest_id: text(), revoked_at: time, reason: text(), revoked_by: text() },
  { revocation_signature: nullable(text()), signer_key_id: nullable(text()) },
);

const TITLE = 'Has the manifest been revoked?';

/**
 * Reads a revocation list: one JSON object per line.
 *
 * @throws FormatError for a line that is no record: half a list would hide what the other half revokes
 */
export function readRevocations(input: Uint8Array | string): RevocationRecord[] {
  const lines = textOf(input).split(/\r?\n/);
  return lines.flatMap((line, i) =>
    line.trim() === '' ? [] : [recordOf(line, `line ${i + 1} of the revocation list`)],
  );
}

/** Whether a list that the relying party holds, or one that is signed by a key that it trusts, revokes the manifest. */
export async function revocationGate({ manifest_id }: ManifestDocument, context: ManifestContext): Promise<Gate> {
  const answer = (finding: Finding, ...demands: 'UNVERIFIABLE'[]): Gate => ({
    ...stage([informative('manifest.revocation', TITLE, finding)], ...demands),
    ends: finding.outcome === 'failed' ? 'REVOKED' : null,
  });
  const id = manifest_id.toLowerCase();
  if ((context.revoked ?? []).some((one) => one.toLowerCase() === id)) {
    return answer(failed(`${manifest_id} is among the revoked manifests`, 'the revoked manifests that were given'));
  }
  if (context.revoked === undefined && context.revocations === undefined) {
    return answer(notChecked('no list of revoked manifests was given'));
  }
  const about = (context.revocations ?? []).filter((record) => record.manifest_id.toLowerCase() === id);
  const problems: string[] = [];
  for (const record of about) {
    const problem = await recordProblem(record, context);
    if (problem === null) return answer(failed(`revoked at ${record.revoked_at}: ${record.reason}`, record.revoked_by));
    problems.push(problem);
  }
  const [problem] = problems;
  // Whoever can write into a list could also have taken lines out of it.
  if (problem !== undefined) return answer(notChecked(`the list revokes it, but ${problem}`), 'UNVERIFIABLE');
  return answer(proven('no list that was given revokes it', 'the revocation lists that were given'));
}

/** Why a record cannot be relied on, or null. */
async function recordProblem(record: RevocationRecord, context: ManifestContext): Promise<string | null> {
  const key = (context.revocationKeys ?? context.keys).find(({ id }) => id === record.signer_key_id);
  if (key === undefined) return `its key ${record.signer_key_id ?? '(not named)'} is not trusted for revocations`;
  const signature = readBase64Url(record.revocation_signature ?? '');
  if (signature === null) return 'its signature is not strict base64url';
  const { manifest_id, revoked_at, reason, revoked_by } = record;
  const signed = recordBytes({ manifest_id, revoked_at: isoformat(revoked_at), reason, revoked_by });
  const result = await verifyWith(key, { classical: signature, pq: signature }, signed);
  if (result === 'unsupported') return 'this engine has no Ed25519 in WebCrypto';
  return result === 'valid' ? null : 'its signature is not valid';
}

/**
 * A time as Python's `isoformat` renders it, which is what was signed: six digits of fraction or none, and the offset as
 * `+00:00` where the list shows `Z`.
 */
export function isoformat(timestamp: string): string {
  const [, seconds = '', fraction = '', offset = ''] = /^(.{19})(?:\.(\d+))?(.+)$/.exec(timestamp) ?? [];
  const micros = fraction.padEnd(6, '0');
  return `${seconds}${Number(micros) === 0 ? '' : `.${micros}`}${/^(Z|-00:00)$/.test(offset) ? '+00:00' : offset}`;
}

function recordOf(line: string, what: string): RevocationRecord {
  const value = readJsonObject(line, what);
  const problem = RECORD(value, what);
  if (problem !== null) throw new FormatError(problem);
  return value as unknown as RevocationRecord;
}

function textOf(input: Uint8Array | string): string {
  if (typeof input === 'string') return input;
  try {
    return decodeUtf8(input);
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error;
    throw new FormatError(`the revocation list: ${error.message}`);
  }
}
