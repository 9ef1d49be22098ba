import { equalBytes } from '../bytes/equal.ts';
import { encodeHex } from '../bytes/hex.ts';
import { type Finding, failed, notChecked, proven } from '../finding.ts';
import { fileOf, hexText, reading } from './files.ts';
import type { EvidenceFiles, EvidenceGiven } from './given.ts';

/**
 * Whether REPORTDATA holds what the relying party expects: the user data given, and the hex text of the file `report_data`. An
 * expected value that is shorter than the field is followed by zeros.
 */
export function reportDataFinding(found: Uint8Array, files: EvidenceFiles, given: EvidenceGiven): Finding {
  const file = fileOf(files, 'report_data');
  const read = file === undefined ? null : reading(() => hexText(file));
  if (read !== null && read.problem !== null) return failed(`the file report_data cannot be read: ${read.problem}`);
  const expected = [given.userData, read?.value].filter((value) => value !== undefined);
  if (expected.length === 0) {
    return notChecked(`REPORTDATA is ${encodeHex(found)}; no value was given to compare`, '--user-data HEX');
  }
  const other = expected.find((value) => !holds(found, value));
  if (other !== undefined) return failed(`REPORTDATA is ${encodeHex(found)}, not what was expected`, encodeHex(other));
  return proven('REPORTDATA is what was expected', expected.map(encodeHex).join(', '));
}

function holds(found: Uint8Array, expected: Uint8Array): boolean {
  // An empty expectation would be met by anything that holds nothing, and is nobody's intention.
  if (expected.length === 0 || expected.length > found.length) return false;
  const padded = new Uint8Array(found.length);
  padded.set(expected);
  return equalBytes(found, padded);
}
