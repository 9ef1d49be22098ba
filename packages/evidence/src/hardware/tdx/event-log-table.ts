import { ByteReader } from '../../bytes/reader.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { reading } from '../files.ts';
import { type EvidenceCheck, remark } from '../verdict.ts';

const TABLE_SIZE = 56;
const CC_TYPE_TDX = 2;

/** Whether the ACPI table that came along (CCEL, ACPI specification 6.5) describes a log of a TDX guest that holds `log`. */
export function eventLogTable(
  table: Uint8Array<ArrayBuffer> | undefined,
  log: Uint8Array<ArrayBuffer> | undefined,
): EvidenceCheck[] {
  if (table === undefined) return [];
  const [id, title] = ['tdx.event_log_table', 'Does the ACPI table describe the event log?'];
  return [remark('acceptable', id, title, tableFinding(table, log))];
}

function tableFinding(table: Uint8Array<ArrayBuffer>, log: Uint8Array | undefined): Finding {
  const read = reading(() => parseCcelTable(table));
  if (read.problem !== null) return failed(read.problem);
  if (log === undefined) return notChecked('there is no event log', 'the file of role event_log');
  const detail = `the table describes an area of ${read.value} bytes`;
  return BigInt(log.length) > read.value ? failed(`${detail}, the event log has ${log.length}`) : proven(detail);
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
