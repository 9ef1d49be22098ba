import { type ChainEntry, textOf } from '../audit/chain-entry.ts';
import { asserted, type Finding, notChecked, proven } from '../finding.ts';

/** What may anchor a store against being put back to an older copy (contracts section 3). */
const ANCHORS = new Map([
  ['tpm-nv', 'a counter of the TPM anchors the store'],
  ['witness', 'a witness outside the machine anchors the store'],
]);

/**
 * Whether an older copy of the store would have been noticed, by what session_start, the entry `start`, committed to. A file cannot
 * show it: it is the word of the program that wrote the entry.
 */
export function rollbackProtection(start: ChainEntry | null, { provesCode }: { provesCode: boolean }): Finding {
  const said = textOf(start?.detail ?? {}, 'rollback_protection');
  if (said === null) return notChecked('session_start says nothing about it');
  if (said === 'none') return asserted('none: a store that was put back to an older copy would not be noticed');
  const anchor = ANCHORS.get(said);
  if (anchor === undefined) return notChecked('session_start names a protection that is not known');
  return provesCode
    ? proven(`${said}: ${anchor}, as the measured program wrote`)
    : asserted(`${said}: ${anchor}, as the gateway says`);
}
