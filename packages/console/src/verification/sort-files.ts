import { type CallReceipt, combine, JsonError, parseJson, readReceipt } from '@cmcp/evidence';
import type { SessionPlaces } from './anatomy.ts';
import type { GivenFile, Place } from './given-file.ts';
import { at, looseJson, textAt } from './loose.ts';
import { keyIn } from './pin-files.ts';

/** A session to verify, put together from the given files. */
export interface SessionInput {
  name: string;
  input: Uint8Array | string;
  places: SessionPlaces;
  /** What the file seems to say: enough to draw it, once the verifier has accepted its form. */
  value: { claim: unknown; bundle: unknown; session: unknown };
}

/** A file with a key that came with the others. Finding it is not trusting it: it may come from whoever made the session. */
export interface FoundKey {
  file: number;
  name: string;
}

/** A receipt of a call that was found among the files. */
export interface FoundReceipt {
  name: string;
  receipt: CallReceipt;
}

/** A file that is none of what this page reads, and why. */
export interface Stranger {
  name: string;
  why: string;
}

/** What the given files are, by what is in them. */
export interface Sorted {
  sessions: SessionInput[];
  keys: FoundKey[];
  receipts: FoundReceipt[];
  strangers: Stranger[];
}

interface Opened {
  file: GivenFile;
  value: unknown;
  kind: 'session' | 'claim' | 'bundle' | 'entries' | 'key' | 'receipts' | 'stranger';
}

/** Sorts files into sessions with their parts, keys, receipts, and what is none of these. Every file ends up in one of them. */
export function sortFiles(files: readonly GivenFile[]): Sorted {
  const opened = files.map(open);
  const of = (kind: Opened['kind']): Opened[] => opened.filter((each) => each.kind === kind);
  const sorted: Sorted = {
    sessions: [],
    keys: of('key').map(({ file }) => ({ file: file.id, name: file.name })),
    receipts: of('receipts').flatMap(({ file }) => receiptsIn(file).map((receipt) => ({ name: file.name, receipt }))),
    strangers: of('stranger').map(({ file }) => ({
      name: file.name,
      why: 'it is no session file, claim, audit bundle, key or receipt',
    })),
  };
  addSessions(sorted, of('session'), of('entries'));
  addPairs(sorted, of('claim'), of('bundle'));
  return sorted;
}

function open(file: GivenFile): Opened {
  if (file.name.endsWith('.ndjson')) return { file, value: undefined, kind: 'entries' };
  const value = looseJson(file.bytes);
  return { file, value, kind: kindOf(file, value) };
}

function kindOf(file: GivenFile, value: unknown): Opened['kind'] {
  const has = (...names: string[]): boolean => names.every((name) => at(value, name) !== undefined);
  if (has('format')) return 'session';
  if (has('trace', 'gateway')) return 'claim';
  if (has('entries', 'bundle_signature')) return 'bundle';
  if (keyIn(file) !== null) return 'key';
  if (receiptsIn(file).length > 0) return 'receipts';
  // What was named as a session, or was JSON once, gets the verifier's answer and not silence.
  return file.name.endsWith('.cmcp.json') || (value === undefined && file.name.endsWith('.json'))
    ? 'session'
    : 'stranger';
}

/** A caller's receipt, or a list of them. */
function receiptsIn(file: GivenFile): CallReceipt[] {
  try {
    const value = parseJson(file.bytes);
    return (Array.isArray(value) ? value : [value]).flatMap((each) => readReceipt(each) ?? []);
  } catch (error) {
    if (error instanceof JsonError) return [];
    throw error;
  }
}

function addSessions(sorted: Sorted, sessions: readonly Opened[], entries: readonly Opened[]): void {
  const taken = new Set<Opened>();
  for (const { file, value } of sessions) {
    const name = textAt(value, 'bundle', 'entries_file', 'name');
    const beside = entries.find((each) => each.file.name === name);
    if (beside !== undefined) taken.add(beside);
    sorted.sessions.push({
      name: file.name,
      input: file.bytes,
      places: {
        claim: jsonAt(file, 'claim'),
        bundle: jsonAt(file, 'bundle'),
        entries: beside?.file ?? null,
        files: [file, ...(beside === undefined ? [] : [beside.file])].map(wholeFile),
      },
      value: { claim: at(value, 'claim'), bundle: at(value, 'bundle'), session: value },
    });
  }
  for (const each of entries.filter((opened) => !taken.has(opened))) {
    sorted.strangers.push({ name: each.file.name, why: 'no session file here names it as the file of its entries' });
  }
}

function addPairs(sorted: Sorted, claims: readonly Opened[], bundles: readonly Opened[]): void {
  const taken = new Set<Opened>();
  for (const claim of claims) {
    const bundle = bundles.find((each) => isPair(claim, each));
    if (bundle !== undefined) taken.add(bundle);
    const pair = bundle === undefined ? 'the audit bundle of its session is missing' : pairOf(claim, bundle);
    if (typeof pair === 'string') sorted.strangers.push({ name: claim.file.name, why: pair });
    else sorted.sessions.push(pair);
  }
  for (const each of bundles.filter((opened) => !taken.has(opened))) {
    sorted.strangers.push({ name: each.file.name, why: 'the claim of its session is missing' });
  }
}

function isPair(claim: Opened, bundle: Opened): boolean {
  const session = textAt(claim.value, 'gateway', 'session_id');
  return session !== null && textAt(bundle.value, 'session_id') === session;
}

/** Both files as one input; or, as a text, why they cannot be. */
function pairOf(claim: Opened, bundle: Opened): SessionInput | string {
  try {
    return {
      name: `${claim.file.name} + ${bundle.file.name}`,
      input: combine(claim.file.bytes, bundle.file.bytes),
      places: {
        claim: jsonAt(claim.file),
        bundle: jsonAt(bundle.file),
        entries: null,
        files: [wholeFile(claim.file), wholeFile(bundle.file)],
      },
      value: { claim: claim.value, bundle: bundle.value, session: undefined },
    };
  } catch (error) {
    if (error instanceof JsonError) return `claim or bundle is not strict JSON: ${error.message}`;
    throw error;
  }
}

function jsonAt(file: GivenFile, ...path: string[]): Place {
  return { file: file.id, form: 'json', path };
}

function wholeFile(file: GivenFile): SessionPlaces['files'][number] {
  return { name: file.name, place: { file: file.id, form: 'file', path: [] } };
}
