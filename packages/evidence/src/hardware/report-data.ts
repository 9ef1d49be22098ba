import { equalBytes } from '../bytes/equal.ts';
import { encodeHex } from '../bytes/hex.ts';
import { type Finding, failed, notChecked, proven } from '../finding.ts';
import { fileOf, hexText, type Reading, reading } from './files.ts';
import type { EvidenceFiles, EvidenceGiven } from './given.ts';

/**
 * The challenges that no compared value contains: the report of a processor has no field for a challenge but REPORTDATA, so these
 * stay open. null when there is none.
 */
export function challengeFinding(files: EvidenceFiles, given: EvidenceGiven): Finding | null {
  const read = readRole(files, 'nonce');
  if (read !== null && read.problem !== null) return failed(`the file nonce cannot be read: ${read.problem}`);
  const nonces = [given.nonce, read?.value].filter((value) => value !== undefined);
  const compared = [given.userData, readRole(files, 'report_data')?.value].filter((value) => value != null);
  const open = nonces.filter((nonce) => !compared.some((value) => equalBytes(nonce, value)));
  if (open.length === 0) return null;
  return notChecked(
    `such a report answers a challenge in REPORTDATA only, and the user data to compare is not ${open.map(encodeHex).join(', ')}`,
    '--user-data HEX',
  );
}

/**
 * Whether REPORTDATA holds what the relying party expects: the user data given, and the hex text of the file `report_data`. An
 * expected value that is shorter than the field is followed by zeros.
 */
export function reportDataFinding(found: Uint8Array, files: EvidenceFiles, given: EvidenceGiven): Finding {
  const read = readRole(files, 'report_data');
  if (read !== null && read.problem !== null) return failed(`the file report_data cannot be read: ${read.problem}`);
  const expected = [given.userData, read?.value].filter((value) => value !== undefined);
  if (expected.length === 0) {
    return notChecked(`REPORTDATA is ${encodeHex(found)}; no value was given to compare`, '--user-data HEX');
  }
  const other = expected.find((value) => !holds(found, value));
  if (other !== undefined) return failed(`REPORTDATA is ${encodeHex(found)}, not what was expected`, encodeHex(other));
  return proven('REPORTDATA is what was expected', expected.map(encodeHex).join(', '));
}

function readRole(files: EvidenceFiles, role: string): Reading<Uint8Array> | null {
  const file = fileOf(files, role);
  return file === undefined ? null : reading(() => hexText(file));
}

function holds(found: Uint8Array, expected: Uint8Array): boolean {
  // An empty expectation would be met by anything that holds nothing, and is nobody's intention.
  if (expected.length === 0 || expected.length > found.length) return false;
  const padded = new Uint8Array(found.length);
  padded.set(expected);
  return equalBytes(found, padded);
}
