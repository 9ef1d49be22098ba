import { encodeHex } from '../../bytes/hex.ts';
import { ByteReader } from '../../bytes/reader.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { parseEventLog } from '../event-log/parse.ts';
import { replay } from '../event-log/replay.ts';
import { reading } from '../files.ts';
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
    ? proven('matched: the events lead to the quoted value', `RTMR${index} in the quote`)
    : failed(`mismatched: the events lead to ${encodeHex(replayed)}, RTMR${index} is ${quoted}`);
}

function wholeLog(registers: readonly Finding[], matched: readonly number[], extendsMrtd: boolean): Finding {
  if (extendsMrtd) return failed('the event log has events for MRTD, which no event extends');
  const mismatched = registers.flatMap(({ outcome }, i) => (outcome === 'failed' ? [`RTMR${i}`] : []));
  if (mismatched.length > 0) return failed(`the event log does not lead to ${mismatched.join(', ')}`);
  if (matched.length === 0) return notChecked('the event log has no event for any RTMR', 'the event log of this guest');
  return proven(`the event log leads to ${matched.map((i) => `RTMR${i}`).join(', ')}`, 'the quote');
}

const TABLE_SIZE = 56;
const CC_TYPE_TDX = 2;

/** Whether the ACPI table that came along (CCEL, ACPI specification 6.5) describes a log of a TDX guest that holds `log`. */
export function eventLogTable(
  table: Uint8Array<ArrayBuffer> | undefined,
  log: Uint8Array<ArrayBuffer> | undefined,
): EvidenceCheck[] {
  if (table === undefined) return [];
  const [id, title] = ['tdx.event_log_table', 'Does the ACPI table describe the event log?'];
  const read = reading(() => parseCcelTable(table));
  const finding =
    read.problem !== null
      ? failed(read.problem)
      : log === undefined
        ? notChecked('there is no event log', 'the file of role event_log')
        : BigInt(log.length) > read.value
          ? failed(`the table describes an area of ${read.value} bytes, the event log has ${log.length}`)
          : proven(`the table describes an area of ${read.value} bytes`);
  return [remark('acceptable', id, title, finding)];
}

/** The size of the memory area that holds the log. */
function parseCcelTable(bytes: Uint8Array<ArrayBuffer>): bigint {
  const reader = new ByteReader(bytes, 'CCEL table');
  if (reader.hex(4, 'signature') !== '4343454c') throw new FormatError('CCEL table: its signature is not CCEL');
  const length = reader.u32le('length');
  if (length !== TABLE_SIZE || bytes.length !== TABLE_SIZE) {
    throw new FormatError(`CCEL table: it has ${bytes.length} bytes and says ${length}, not ${TABLE_SIZE}`);
  }
  if (bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0) !== 0) throw new FormatError('CCEL table: its sum is not 0');
  reader.take(28, 'rest of the header');
  const type = reader.u8('CC type');
  if (type !== CC_TYPE_TDX) throw new FormatError(`CCEL table: CC type ${type} is not that of TDX`);
  reader.take(3, 'CC subtype');
  return reader.u64le('length of the area');
}
