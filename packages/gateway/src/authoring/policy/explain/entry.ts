import { dirname, join } from 'node:path';
import { isObject, JsonError, type JsonObject, type JsonValue, member, parseJson } from '@cmcp/evidence';
import { readRegularFile } from '../../../catalog/read-file.ts';
import { GatewayError } from '../../../errors.ts';

const MAX_FILE = 512 * 1024 * 1024;
const BOUNDS = { bytes: MAX_FILE, items: 16_000_000 };
const ENTRIES_NAME = /^[0-9A-Za-z][0-9A-Za-z_-]{0,99}\.cmcp\.ndjson$/;

/** An entry of an audit chain, and what its session committed to. */
export interface FoundEntry {
  entry: JsonObject;
  /** Null where session_start names none. */
  bundleHash: string | null;
}

/**
 * The entry of a session file with this sequence number or call id. It is read, not verified: `cmcp verify` does that.
 *
 * @throws GatewayError INVALID_PARAMS when the file is no session file, or has no such entry
 */
export async function findEntry(file: string, which: string): Promise<FoundEntry> {
  const refuse = (problem: string): GatewayError => new GatewayError('INVALID_PARAMS', `${file}: ${problem}`);
  const entries = await entriesOf(file, refuse);
  const [first] = entries;
  const detail = first === undefined ? undefined : member(first, 'detail');
  const committed = isObject(detail) ? member(detail, 'bundle_hash') : undefined;
  const entry = entries.find((each) => isCalled(each, which));
  if (entry === undefined) throw refuse(`has no entry ${which}; give a sequence number or a call id`);
  return { entry, bundleHash: typeof committed === 'string' ? committed : null };
}

function isCalled(entry: JsonObject, which: string): boolean {
  return member(entry, 'call_id') === which || String(member(entry, 'sequence_number')) === which;
}

async function entriesOf(file: string, refuse: (problem: string) => GatewayError): Promise<JsonObject[]> {
  const document = parsed(await readRegularFile(file, MAX_FILE, refuse), refuse);
  const bundle = isObject(document) ? member(document, 'bundle') : undefined;
  if (!isObject(bundle)) throw refuse('is not a session file');
  const entries = member(bundle, 'entries') ?? (await entriesBeside(file, member(bundle, 'entries_file'), refuse));
  if (!Array.isArray(entries) || !entries.every(isObject)) throw refuse('holds no list of entries');
  return entries;
}

/** A long session has its entries in a second file. */
async function entriesBeside(
  file: string,
  named: JsonValue | undefined,
  refuse: (problem: string) => GatewayError,
): Promise<JsonValue[]> {
  const name = isObject(named) ? member(named, 'name') : undefined;
  if (typeof name !== 'string' || !ENTRIES_NAME.test(name)) throw refuse('names no file with its entries');
  const bytes = await readRegularFile(join(dirname(file), name), MAX_FILE, (problem) => refuse(`${name}: ${problem}`));
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => parsed(line, refuse));
}

function parsed(text: Uint8Array | string, refuse: (problem: string) => GatewayError): JsonValue {
  try {
    return parseJson(text, BOUNDS);
  } catch (error) {
    if (error instanceof JsonError) throw refuse(`is not strict JSON: ${error.message}`);
    throw error;
  }
}
