import { ByteReader } from '../../bytes/reader.ts';
import { FormatError } from '../../format-error.ts';
import { type BankAlgorithm, type BankName, bankById } from './algorithm.ts';

/** Event that records a fact and extends no register. */
export const EV_NO_ACTION = 3;

const WHAT = 'event log';
const SPEC_ID = 'Spec ID Event03\0';
const SHA1_SIZE = 20;

/** One event of a crypto-agile log. */
export interface LogEvent {
  /** PCR of a TPM; in a log of a confidential VM 0 stands for MRTD and 1 to 4 for RTMR 0 to 3. */
  index: number;
  type: number;
  /** By bank; only banks that the head of the log declares. */
  digests: ReadonlyMap<BankName, Uint8Array<ArrayBuffer>>;
  data: Uint8Array<ArrayBuffer>;
  /** The event as it stands in the log. */
  bytes: Uint8Array<ArrayBuffer>;
}

/** A crypto-agile event log (TCG PC Client Platform Firmware Profile section 10). Nothing in it is signed: only a replay that ends in quoted registers gives it weight. */
export interface EventLog {
  /** What stands before the events: the first one, which says which form the others have. */
  head: Uint8Array<ArrayBuffer>;
  platformClass: number;
  /** Banks that the log declares, in its order. */
  algorithms: readonly BankName[];
  events: readonly LogEvent[];
  /** Bytes of zeros or of 0xFF after the last event: the unused rest of the memory area that holds the log. */
  padding: number;
}

/**
 * Reads a crypto-agile TCG event log, as firmware leaves it for a TPM and as CCEL in a TDX guest. Strict: a log that ends within
 * an event, an algorithm that the log does not declare, or a log of SHA-1 form only is refused.
 *
 * @throws FormatError
 */
export function parseEventLog(bytes: Uint8Array<ArrayBuffer>): EventLog {
  const reader = new ByteReader(bytes, WHAT);
  const { platformClass, algorithms } = readHead(reader);
  const head = bytes.subarray(0, reader.at);
  const events: LogEvent[] = [];
  let padding = 0;
  while (reader.left > 0) {
    if (isPadding(bytes.subarray(reader.at))) {
      padding = reader.left;
      break;
    }
    events.push(readEvent(reader, algorithms));
  }
  return { head, platformClass, algorithms: algorithms.map((each) => each.name), events, padding };
}

/** The first event has the old SHA-1 form and says which algorithms the others use. */
function readHead(reader: ByteReader): { platformClass: number; algorithms: BankAlgorithm[] } {
  // A log for a TPM has 0 here, CCEL has 1.
  const index = reader.u32le('index of the first event');
  const type = reader.u32le('type of the first event');
  if (index > 1 || type !== EV_NO_ACTION) {
    throw new FormatError(`${WHAT}: the first event is not the one that says which form the log has`);
  }
  reader.zeros(SHA1_SIZE, 'digest of the first event');
  const size = reader.u32le('size of the first event');
  const head = new ByteReader(reader.take(size, 'data of the first event'), `${WHAT}, first event`);
  if (!isText(head.take(SPEC_ID.length, 'signature'), SPEC_ID)) {
    throw new FormatError(`${WHAT}: not a crypto-agile log (a log of SHA-1 form is not read)`);
  }
  const platformClass = head.u32le('platform class');
  head.u8('minor version');
  const major = head.u8('major version');
  if (major !== 2) throw new FormatError(`${WHAT}: version ${major} of the form is not known`);
  head.u8('errata');
  head.u8('size of UINTN');
  const algorithms = readAlgorithms(head);
  head.take(head.u8('size of vendor information'), 'vendor information');
  head.end();
  return { platformClass, algorithms };
}

function readAlgorithms(head: ByteReader): BankAlgorithm[] {
  const count = head.u32le('number of algorithms');
  const algorithms: BankAlgorithm[] = [];
  for (let i = 0; i < count; i++) {
    const id = head.u16le('algorithm');
    const size = head.u16le('digest size');
    const known = bankById(id);
    if (known === undefined) throw new FormatError(`${WHAT}: algorithm 0x${id.toString(16)} is not known`);
    if (known.size !== size) throw new FormatError(`${WHAT}: a ${known.name} digest is declared with ${size} bytes`);
    if (algorithms.includes(known)) throw new FormatError(`${WHAT}: ${known.name} is declared twice`);
    algorithms.push(known);
  }
  if (algorithms.length === 0) throw new FormatError(`${WHAT}: no algorithm is declared`);
  return algorithms;
}

function readEvent(reader: ByteReader, declared: readonly BankAlgorithm[]): LogEvent {
  const start = reader.at;
  const index = reader.u32le('index of an event');
  const type = reader.u32le('type of an event');
  const count = reader.u32le('number of digests');
  const digests = new Map<BankName, Uint8Array<ArrayBuffer>>();
  for (let i = 0; i < count; i++) {
    const id = reader.u16le('algorithm of a digest');
    const algorithm = declared.find((each) => each.id === id);
    if (algorithm === undefined) {
      throw new FormatError(`${WHAT}: an event uses algorithm 0x${id.toString(16)}, which the log does not declare`);
    }
    if (digests.has(algorithm.name)) throw new FormatError(`${WHAT}: an event has two ${algorithm.name} digests`);
    digests.set(algorithm.name, reader.take(algorithm.size, 'digest'));
  }
  if (digests.size === 0) throw new FormatError(`${WHAT}: an event has no digest`);
  const data = reader.take(reader.u32le('size of an event'), 'data of an event');
  return { index, type, digests, data, bytes: reader.bytes.subarray(start, reader.at) };
}

/** No event starts with 16 zeros or 16 times 0xFF and goes on so to the end: an event has at least one digest. */
function isPadding(rest: Uint8Array): boolean {
  const first = rest[0];
  return (first === 0 || first === 0xff) && rest.every((byte) => byte === first);
}

/** Whether `bytes` are the ASCII text `text`. */
export function isText(bytes: Uint8Array, text: string): boolean {
  return bytes.length === text.length && bytes.every((byte, i) => byte === text.charCodeAt(i));
}
