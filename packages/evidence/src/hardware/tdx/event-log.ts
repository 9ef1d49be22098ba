import { encodeHex } from '../../bytes/hex.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { parseEventLog } from '../event-log/parse.ts';
import { replay } from '../event-log/replay.ts';
import { reading } from '../files.ts';
import { UNCOVERED } from '../tpm/appraise.ts';
import { acceptability, type EvidenceCheck, remark } from '../verdict.ts';
import type { TdReport } from './td-report.ts';

/** What the event log explains of the quote. */
export interface EventLogReplay {
  checks: EvidenceCheck[];
  /** Indexes of the RTMRs whose value the log leads to. */
  matched: readonly number[];
}

/** In a log of a TDX guest register 0 is MRTD, and 1 to 4 are RTMR 0 to 3. */
const MRTD_INDEX = 0;
const FIRST_RTMR_INDEX = 1;

/**
 * Whether the events of a log (CCEL) lead to the RTMRs in the quote. The log itself is signed by nobody: what it says counts only
 * for an RTMR that it leads to.
 */
export function replayEventLog(log: Uint8Array<ArrayBuffer> | undefined, body: TdReport): EventLogReplay {
  if (log === undefined) return { checks: [], matched: [] };
  const [id, title] = ['tdx.event_log', 'Does the event log lead to the quoted RTMRs?'];
  const read = reading(() => replay(parseEventLog(log), 'sha384', 'ccel'));
  if (read.problem !== null) return { checks: [acceptability(id, title, failed(read.problem))], matched: [] };
  const replayed = read.value;
  const registers = body.rtmr.map((quoted, i) => rtmr(i, quoted, replayed.get(i + FIRST_RTMR_INDEX)));
  const matched = registers.flatMap(({ outcome }, i) => (outcome === 'proven' ? [i] : []));
  return {
    checks: [
      acceptability(id, title, wholeLog(registers, matched, replayed.has(MRTD_INDEX))),
      ...registers.map((finding, i) =>
        remark('acceptable', `tdx.event_log.rtmr${i}`, `Does the event log lead to RTMR${i}?`, finding),
      ),
    ],
    matched,
  };
}

function rtmr(index: number, quoted: string, replayed: Uint8Array | undefined): Finding {
  if (replayed === undefined) return notChecked(`absent: no event of the log extends RTMR${index}, which is ${quoted}`);
  return encodeHex(replayed) === quoted
    ? proven(`matched: the digests of the events lead to the quoted value; ${UNCOVERED}`, `RTMR${index} in the quote`)
    : failed(`mismatched: the events lead to ${encodeHex(replayed)}, RTMR${index} is ${quoted}`);
}

function wholeLog(registers: readonly Finding[], matched: readonly number[], extendsMrtd: boolean): Finding {
  if (extendsMrtd) return failed('the event log has events for MRTD, which no event extends');
  const mismatched = registers.flatMap(({ outcome }, i) => (outcome === 'failed' ? [`RTMR${i}`] : []));
  if (mismatched.length > 0) return failed(`the event log does not lead to ${mismatched.join(', ')}`);
  if (matched.length === 0) return notChecked('the event log has no event for any RTMR', 'the event log of this guest');
  const names = matched.map((i) => `RTMR${i}`).join(', ');
  return proven(`the digests in the event log lead to ${names}; ${UNCOVERED}`, 'the quote');
}
