import { createPublicKey, type KeyObject } from 'node:crypto';
import { JsonError, type JsonValue, parseJson, readBase64Url } from '@cmcp/evidence';
import { Fields, type Where } from '../../catalog/fields.ts';
import { readRegularFile } from '../../catalog/read-file.ts';
import { GatewayError } from '../../errors.ts';
import { EFFECTS } from '../../policy/types.ts';
import { isRecordingKey, recordingKeyId } from '../../recording/key.ts';
import type { RecordedDecision } from '../../recording/record.ts';
import { type RecordingHeader, RecordOpener, SUITE, UnusableKey } from '../../recording/sealing.ts';
import { placeIn } from '../written.ts';

const MAX_RECORDING = 512 * 1024 * 1024;
/** Whatever a gateway may be configured to take. */
const BOUNDS = { bytes: 256 * 1024 * 1024, depth: 1024 };
const NEWLINE = 0x0a;
/** Nonce and tag of a record. */
const MIN_SEALED = 28;

/** What a recording holds, as far as it could be read. */
export interface Recording {
  /** In the order in which they were decided. */
  records: RecordedDecision[];
  /** What is damaged, missing or out of order, each in a sentence. */
  problems: string[];
  /** How it ends, where that is not as a closed recording does: the gateway may still be writing. */
  notes: string[];
}

/** Reads and opens `file`. @throws GatewayError RECORDING_INVALID when it is no recording, or is sealed to another key */
export async function loadRecording(file: string, key: KeyObject): Promise<Recording> {
  const refuse = (problem: string): GatewayError => new GatewayError('RECORDING_INVALID', `${file}: ${problem}`);
  return readRecording(await readRegularFile(file, MAX_RECORDING, refuse), file, key);
}

/**
 * Opens a recording with the private key that it is sealed to. What does not open is told, and the rest is read all the same.
 * Whoever knows the public key can make a recording: it is no evidence of what was decided.
 *
 * @param file how messages call it
 * @throws GatewayError RECORDING_INVALID
 */
export function readRecording(bytes: Uint8Array, file: string, key: KeyObject): Recording {
  const { lines, rest } = linesOf(bytes);
  const [first, ...sealed] = lines;
  const opener = openerOf(first === undefined ? '' : textOf(first), file, key);
  const reading = new Reading(file);
  for (const [index, line] of sealed.entries()) reading.take(index + 2, opener.open(unsealable(line)));
  return reading.end(rest.length > 0);
}

/** What was found so far; numbers say what is missing. */
class Reading {
  readonly #file: string;
  readonly #found = new Map<number, RecordedDecision>();
  readonly #problems: string[] = [];
  #highest = -1;
  /** The number of the record that ends the recording. */
  #end: number | null = null;

  constructor(file: string) {
    this.#file = file;
  }

  take(line: number, opened: ReturnType<RecordOpener['open']>): void {
    const where = `${this.#file}:${line}`;
    if (opened === null) {
      this.#problems.push(`${where}: the record is damaged, or was sealed elsewhere`);
      return;
    }
    const { number, bytes } = opened;
    if (this.#found.has(number) || number === this.#end) {
      this.#problems.push(`${where}: the record stands here a second time`);
      return;
    }
    if (number < this.#highest) this.#problems.push(`${where}: the record is out of order`);
    this.#highest = Math.max(this.#highest, number);
    try {
      const record = readRecord(bytes, where);
      if (record === null) this.#end = number;
      else this.#found.set(number, record);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'RECORDING_INVALID') throw error;
      this.#problems.push(error.detail);
    }
  }

  end(truncated: boolean): Recording {
    const notes: string[] = [];
    if (truncated) notes.push(`${this.#file}: the last line is not whole; its record is left out`);
    const known = (this.#end ?? this.#highest + 1) - this.#found.size;
    if (known > 0) this.#problems.push(`${this.#file}: ${known} of the decisions that were made are not in it`);
    if (this.#end === null) {
      notes.push(`${this.#file}: has no end: the gateway still runs or was killed, or the end is missing`);
    } else if (this.#highest > this.#end) {
      this.#problems.push(`${this.#file}: goes on after its end`);
    }
    const records = [...this.#found].sort(([a], [b]) => a - b).map(([, record]) => record);
    return { records, problems: this.#problems, notes };
  }
}

function openerOf(line: string, file: string, key: KeyObject): RecordOpener {
  const place = placeIn(file, 'RECORDING_INVALID');
  const header = readHeader(line, place);
  const own = recordingKeyId(String(createPublicKey(key).export({ format: 'jwk' }).x));
  if (header.keyId !== own) throw place.refuse(`is sealed to the key ${header.keyId}; the given one is ${own}`);
  try {
    return new RecordOpener(line, header, key);
  } catch (error) {
    if (error instanceof UnusableKey) throw place.refuse('its header names a key that no gateway makes');
    throw error;
  }
}

function readHeader(line: string, place: Where): RecordingHeader {
  const value = parsed(line, place);
  const fields = new Fields(value, place, ['cmcp_recording', 'suite', 'ephemeral', 'key_id']);
  if (fields.get('cmcp_recording') !== 1) throw place.refuse('is a recording of a version that is not known here');
  if (fields.get('suite') !== SUITE) throw place.refuse(`is not sealed with ${SUITE}`);
  const ephemeral = fields.text('ephemeral');
  if (!isRecordingKey(ephemeral)) throw place.at('ephemeral').refuse('must be an X25519 public key');
  return { ephemeral, keyId: fields.text('key_id') };
}

const MEMBERS = ['call_id', 'session_id', 'stage', 'time_us', 'bundle_hash', 'catalog_hash', 'decision', 'input'];
const DECISION = ['effect', 'policy_ids', 'redactions', 'error'];

/** Null for the record that ends a recording. */
function readRecord(bytes: Uint8Array, where: string): RecordedDecision | null {
  const place = placeIn(where, 'RECORDING_INVALID');
  const fields = new Fields(parsed(bytes, place), place, [...MEMBERS, 'end']);
  if (fields.get('end') !== undefined) return null;
  const decision = new Fields(fields.object('decision'), place.at('decision'), DECISION);
  return {
    callId: fields.text('call_id'),
    sessionId: fields.text('session_id'),
    stage: fields.oneOf('stage', ['ingress', 'egress']),
    timeMicros: fields.count('time_us', 0),
    bundleHash: fields.text('bundle_hash'),
    catalogHash: fields.text('catalog_hash'),
    decision: {
      effect: decision.oneOf('effect', EFFECTS),
      policyIds: readTexts(decision, 'policy_ids'),
      redactions: readTexts(decision, 'redactions'),
      error: decision.optionalText('error'),
    },
    input: fields.object('input'),
  };
}

function readTexts(decision: Fields<Where>, key: string): string[] {
  return decision.array(key, 1_000_000).map((item) => {
    if (typeof item !== 'string') throw decision.place.at(key).refuse('must be a list of texts');
    return item;
  });
}

function parsed(text: string | Uint8Array, place: Where): JsonValue {
  try {
    return parseJson(text, BOUNDS);
  } catch (error) {
    if (error instanceof JsonError) throw place.refuse('is not a recording of decisions');
    throw error;
  }
}

/** Complete lines, and what follows the last of them. */
function linesOf(bytes: Uint8Array): { lines: Uint8Array[]; rest: Uint8Array } {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return { lines, rest: bytes.subarray(start) };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** The bytes of a line, or none where it is not base64url. */
function unsealable(line: Uint8Array): Uint8Array {
  const bytes = readBase64Url(textOf(line));
  return bytes === null || bytes.length < MIN_SEALED ? new Uint8Array() : bytes;
}
