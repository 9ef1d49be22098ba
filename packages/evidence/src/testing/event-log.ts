import { bankByName } from '../hardware/event-log/algorithm.ts';
import { EV_NO_ACTION } from '../hardware/event-log/parse.ts';

/** An event to write: its digests by bank (bytes as they are, whatever their length). */
export interface EventToWrite {
  index: number;
  type?: number;
  digests: Record<string, Uint8Array>;
  data?: Uint8Array;
}

/** Writes a crypto-agile event log for tests: the head declares `banks`, the events follow, then `padding`. */
export function writeEventLog(
  banks: readonly string[],
  events: readonly EventToWrite[],
  padding: Uint8Array = new Uint8Array(),
): Uint8Array<ArrayBuffer> {
  const declared = banks.map((name) => idAndSize(name));
  const head = joined([
    ascii('Spec ID Event03\0'),
    u32(0),
    Uint8Array.of(0, 2, 0, 2),
    u32(declared.length),
    ...declared.flatMap(({ id, size }) => [u16(id), u16(size)]),
    Uint8Array.of(0),
  ]);
  return joined([
    u32(0),
    u32(EV_NO_ACTION),
    new Uint8Array(20),
    u32(head.length),
    head,
    ...events.map(writeEvent),
    padding,
  ]);
}

/** The event that says from which locality the TPM was started. */
export function startupLocalityEvent(banks: readonly string[], locality: number): EventToWrite {
  const digests = Object.fromEntries(banks.map((name) => [name, new Uint8Array(idAndSize(name).size)]));
  return { index: 0, type: EV_NO_ACTION, digests, data: joined([ascii('StartupLocality\0'), Uint8Array.of(locality)]) };
}

function writeEvent({ index, type = 8, digests, data = new Uint8Array() }: EventToWrite): Uint8Array<ArrayBuffer> {
  const written = Object.entries(digests);
  return joined([
    u32(index),
    u32(type),
    u32(written.length),
    ...written.flatMap(([name, digest]) => [u16(idAndSize(name).id), digest]),
    u32(data.length),
    data,
  ]);
}

function idAndSize(name: string): { id: number; size: number } {
  const bank = bankByName(name);
  if (bank === undefined) throw new RangeError(`no bank ${name}`);
  return bank;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
