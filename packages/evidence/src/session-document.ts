import { textOf } from './audit/chain-entry.ts';
import type { Checkpoint } from './audit/checkpoint.ts';
import { decodeEvidenceBase64 } from './bytes/evidence-base64.ts';
import { EncodingError } from './bytes/utf8.ts';
import { FormatError } from './format-error.ts';
import { JsonError } from './json/error.ts';
import { type JsonLimits, parseJson } from './json/parse.ts';
import { stringifyJson } from './json/stringify.ts';
import { isObject, type JsonObject, type JsonValue, member } from './json/value.ts';
import { ENTRIES_MEDIA_TYPE, type EntriesFile, SESSION_FORMAT } from './session-file.ts';
import { integer, list, nullable, object, oneOf, openObject, type Rule, text } from './shape.ts';

/** The reference's two files put together by {@link combine}: no checkpoints, no evidence of its own. */
const PAIR_FORMAT = 'cmcp-claim-and-bundle/1';

/** What a session file may hold: one that a gateway writes has 50,000 entries at most (contracts section 6), of some 40 values. */
export const FILE_LIMITS: JsonLimits = { bytes: 128 * 1024 * 1024, depth: 128, items: 4_000_000, numberLength: 1000 };

/** A session file whose outer shape is right; claim and entries are still to be read. */
export interface SessionDocument {
  claim: JsonValue;
  bundleSessionId: string;
  bundleSignature: string;
  /** The entries, or where they are. */
  entries: JsonValue[] | EntriesFile;
  /** null: the reference's form, which knows none. */
  checkpoints: Checkpoint[] | null;
  /** Evidence beside the claim's own: certificates, collateral, the second quote. */
  evidence: EvidenceItem[];
  /** Texts that the operator embedded: they show what was committed to, not what was approved. */
  embedded: { policy: string | null; catalog: string | null };
}

/** One piece of evidence in a session file, decoded. */
export interface EvidenceItem {
  /** `<kind>/<role>`, such as `tdx/tcb_info`; the roles are those of {@link verifyEvidence}. */
  role: string;
  data: Uint8Array<ArrayBuffer>;
}

const INLINE = object({ session_id: text(), entries: list(openObject()), bundle_signature: text() });
const BESIDE = object({
  session_id: text(),
  entries_file: object({
    // The name is opened beside the session file: nothing that could leave the folder is a name.
    name: text(/^[0-9A-Za-z][0-9A-Za-z_-]{0,99}\.cmcp\.ndjson$/),
    digest: text(/^sha256:[0-9a-f]{64}$/),
    entries: integer(1),
    media_type: oneOf(ENTRIES_MEDIA_TYPE),
  }),
  bundle_signature: text(),
});
const BUNDLE: Rule = (value, path) =>
  (isObject(value) && Object.hasOwn(value, 'entries_file') ? BESIDE : INLINE)(value, path);
const CHECKPOINT = object({ session_id: text(), length: integer(1), tip: text(), key: text(), signature: text() });
const EVIDENCE = object({ role: text(), media_type: text(), data: text() });

const SESSION_FILE = object(
  {
    format: text(),
    claim: openObject(),
    bundle: BUNDLE,
    checkpoints: list(CHECKPOINT),
    evidence: list(EVIDENCE),
  },
  { policy: nullable(text()), catalog: nullable(text()) },
);
const PAIR = object({ format: text(), claim: openObject(), bundle: INLINE });

/** What {@link SESSION_FILE} and {@link PAIR} promise. */
interface CheckedFile extends JsonObject {
  claim: JsonObject;
  bundle: { session_id: string; bundle_signature: string } & ({ entries: JsonValue[] } | { entries_file: EntriesFile });
}

/**
 * Opens a session file (contracts section 6), or what {@link combine} made.
 *
 * @throws FormatError
 */
export function openSessionDocument(input: Uint8Array | string): SessionDocument {
  const value = parsed(input);
  const isPair = hasFormat(value, PAIR_FORMAT);
  if (!isPair && !hasFormat(value, SESSION_FORMAT)) {
    throw new FormatError(`the file is not a session file: its "format" is not ${SESSION_FORMAT}`);
  }
  const problem = (isPair ? PAIR : SESSION_FILE)(value, 'file');
  if (problem !== null) throw new FormatError(problem);
  const file = value as CheckedFile;
  const { bundle } = file;
  return {
    claim: file.claim,
    bundleSessionId: bundle.session_id,
    bundleSignature: bundle.bundle_signature,
    entries: 'entries_file' in bundle ? bundle.entries_file : bundle.entries,
    checkpoints: isPair ? null : (file.checkpoints as Checkpoint[]),
    evidence: isPair ? [] : readEvidence(file.evidence as WireEvidence[]),
    embedded: { policy: textOf(file, 'policy'), catalog: textOf(file, 'catalog') },
  };
}

/** The name of the file beside a session file that holds its entries; null when they are inside, or this is no session file. */
export function entriesFileName(input: Uint8Array | string): string | null {
  try {
    const { entries } = openSessionDocument(input);
    return Array.isArray(entries) ? null : entries.name;
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

/**
 * Puts the reference's claim and audit bundle, two texts, into one input for the verifier. Number lexemes are kept.
 *
 * @throws JsonError when either text is not strict JSON
 */
export function combine(claimText: Uint8Array | string, bundleText: Uint8Array | string): string {
  const claim = parseJson(claimText, FILE_LIMITS);
  const bundle = parseJson(bundleText, FILE_LIMITS);
  return stringifyJson({ format: PAIR_FORMAT, claim, bundle });
}

function parsed(input: Uint8Array | string): JsonObject {
  const value = parseStrictly(input);
  const problem = openObject()(value, 'file');
  if (problem !== null) throw new FormatError(problem);
  return value as JsonObject;
}

function parseStrictly(input: Uint8Array | string): JsonValue {
  // Callers without types: the answer is a report all the same.
  if (typeof input !== 'string' && !(input instanceof Uint8Array))
    throw new FormatError('the input is neither text nor bytes');
  try {
    return parseJson(input, FILE_LIMITS);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`the file is not strict JSON: ${error.message}`);
    throw error;
  }
}

function hasFormat(value: JsonObject, format: string): boolean {
  return member(value, 'format') === format;
}

interface WireEvidence extends JsonObject {
  role: string;
  data: string;
}

function readEvidence(items: readonly WireEvidence[]): EvidenceItem[] {
  const roles = new Set(items.map(({ role }) => role));
  // Two files of one role would leave open which one was checked.
  if (roles.size < items.length) throw new FormatError('file.evidence has two items of one role');
  return items.map(({ role, data }, i) => ({ role, data: decoded(data, `file.evidence[${i}].data`) }));
}

function decoded(data: string, path: string): Uint8Array<ArrayBuffer> {
  try {
    return decodeEvidenceBase64(data);
  } catch (error) {
    if (error instanceof EncodingError) throw new FormatError(`${path} is not base64`);
    throw error;
  }
}
