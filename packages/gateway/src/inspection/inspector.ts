import type { JsonValue } from '@cmcp/evidence';
import { GatewayError } from '../errors.ts';
import type { EncodedRun } from './decoding/encoded-runs.ts';
import { type Segment, textsOf } from './joined.ts';
import type { Normalised } from './normal/normalised.ts';
import { Passages, pathOf } from './passages.ts';
import { chunks, slices } from './slices.ts';
import { tagTextAlone } from './tag-text.ts';
import { withTerminalStrings } from './terminal-strings.ts';
import type { Finding, Scan, TextFinding, Transform } from './types.ts';

/** How texts are read and looked through; pure functions, put together by the composition. */
export interface Inspecting {
  normalised(text: string): Normalised;
  encodedRuns(text: string): readonly EncodedRun[];
  /** Over text as it reads. */
  scans: readonly Scan[];
  /** Over text as it is written: an address is another one once its escapes are undone. */
  rawScans: readonly Scan[];
}

/** What was found in an answer. */
export interface Inspected {
  findings: Finding[];
  /** Bodies that are not text. */
  notScanned: number;
}

/** What no answer may exceed: beyond it, it could not be said to have been inspected. */
const MAX_FINDINGS = 50_000;
const MAX_DECODED = 8 * 1024 * 1024;
const MAX_DEPTH = 3;
/** Turning a text round, or its letters by thirteen, leads to one that is decoded next. */
const TURNS: ReadonlySet<Transform> = new Set(['reversed', 'rot13', 'ansi']);
const MAX_TURNS = 3;
/** Undoing these shows what people do not see: an instruction below them is hidden on purpose. */
const HIDING: ReadonlySet<Transform> = new Set([
  'invisible',
  'ansi',
  'entity',
  'percent',
  'base64',
  'hex',
  'rot13',
  'reversed',
]);

/**
 * Runs every scan over everything in an answer. Stops after each part of bounded size, so that whoever drives it can let others have
 * their turn.
 *
 * @throws GatewayError INSPECTION_FAILED for an answer that exceeds a bound
 */
export function* inspecting(answer: JsonValue, how: Inspecting): Generator<void, Inspected> {
  const passages = new Passages(answer);
  const inspection = new Inspection(how);
  const findings: Finding[] = [];
  for (const { text, segments, known } of textsOf(passages)) {
    for (const found of yield* inspection.text(text)) if (found.end > known) findings.push(...placed(found, segments));
    if (findings.length > MAX_FINDINGS) throw tooMuch(`more than ${MAX_FINDINGS} findings`);
  }
  return { findings, notScanned: passages.notScanned };
}

class Inspection {
  readonly #how: Inspecting;
  #decoded = 0;

  constructor(how: Inspecting) {
    this.#how = how;
  }

  *text(text: string, depth = 0, turns = 0): Generator<void, TextFinding[]> {
    const found = new Map<string, TextFinding>();
    for (const slice of slices(text)) {
      for (const finding of this.#scanned(slice.text)) {
        if (finding.start >= slice.from && finding.start < slice.to) add(found, moved(finding, slice.at));
      }
      yield;
    }
    for (const run of yield* this.#runs(text)) {
      const isTurn = TURNS.has(run.via);
      if (isTurn ? turns === MAX_TURNS : depth === MAX_DEPTH)
        throw tooMuch(`what is encoded more than ${MAX_DEPTH} times over`);
      this.#decoded += run.text.length;
      if (this.#decoded > MAX_DECODED) throw tooMuch(`more than ${MAX_DECODED} characters once it is decoded`);
      const inside = yield* this.text(run.text, depth + (isTurn ? 0 : 1), turns + (isTurn ? 1 : 0));
      for (const inner of inside) add(found, within(run, inner));
    }
    return [...found.values()].sort((a, b) => a.start - b.start || a.end - b.end);
  }

  *#runs(text: string): Generator<void, EncodedRun[]> {
    const runs: EncodedRun[] = [];
    for (const chunk of chunks(text)) {
      for (const run of this.#how.encodedRuns(chunk.text)) {
        runs.push({ ...run, start: chunk.at + run.start, end: chunk.at + run.end });
      }
      if (chunk.text.length < text.length) yield;
    }
    return runs;
  }

  #scanned(text: string): TextFinding[] {
    const { normalised, scans, rawScans } = this.#how;
    const readings = [text, withTerminalStrings(text), tagTextAlone(text)].filter((reading) => reading !== null);
    const found = readings
      .map(normalised)
      .flatMap((normal) => scans.flatMap((scan) => scan(normal.text).map((finding) => mapped(normal, finding))));
    return [...rawScans.flatMap((scan) => scan(text)), ...found];
  }
}

/** What was undone elsewhere in the text hides nothing here. */
function mapped(normal: Normalised, finding: TextFinding): TextFinding {
  const { start, end, via } = finding;
  const undone = normal.within(start, end);
  return judged({ ...finding, start: normal.at(start), end: normal.at(end), via: [...undone, ...via] });
}

function within({ start, end, via }: EncodedRun, inner: TextFinding): TextFinding {
  return judged({ ...inner, start, end, via: [via, ...inner.via], instead: null });
}

/** An injected instruction that nobody sees who reads the answer is a graver matter. */
function judged(finding: TextFinding): TextFinding {
  const isHidden = finding.kind === 'injection' && finding.via.some((each) => HIDING.has(each));
  return isHidden ? { ...finding, kind: 'concealed' } : finding;
}

const moved = (finding: TextFinding, by: number): TextFinding =>
  by === 0 ? finding : { ...finding, start: finding.start + by, end: finding.end + by };

function add(found: Map<string, TextFinding>, finding: TextFinding): void {
  const key = `${finding.rule} ${finding.start} ${finding.end}`;
  if (!found.has(key)) found.set(key, finding);
  if (found.size > MAX_FINDINGS) throw tooMuch(`more than ${MAX_FINDINGS} findings`);
}

/** The finding in each piece that it reaches into. The name of a member is taken for found only where nothing else is. */
function placed(finding: TextFinding, segments: readonly Segment[]): Finding[] {
  const reached = reachedBy(finding, segments);
  const values = reached.filter(({ piece }) => piece.kind !== 'name');
  return (values.length > 0 ? values : reached).map(({ start, end, piece: { place, kind, text } }) => ({
    ...finding,
    start: Math.max(0, finding.start - start),
    end: isAllOf(finding, start, segments) ? text.length : Math.min(end, finding.end) - start,
    passage: { path: pathOf(place), kind, text },
  }));
}

/** What a member is said to hold by its name is all that it holds, also behind a character that ends it elsewhere. */
function isAllOf({ rule, start }: TextFinding, from: number, segments: readonly Segment[]): boolean {
  if (rule !== BY_NAME || start !== from) return false;
  const index = segments.findIndex((segment) => segment.start === from && segment.piece.kind !== 'name');
  const [name, value] = [segments[index - 1]?.piece, segments[index]?.piece];
  return name?.kind === 'name' && name.place === value?.place;
}

/** A credential that is one because of what it is called. */
const BY_NAME = 'assigned-credential';

function reachedBy({ start, end }: TextFinding, segments: readonly Segment[]): Segment[] {
  const reached: Segment[] = [];
  for (let at = firstEndingAfter(start, segments); at < segments.length; at += 1) {
    const segment = segments[at];
    if (segment === undefined || segment.start >= end) break;
    reached.push(segment);
  }
  return reached;
}

function firstEndingAfter(offset: number, segments: readonly Segment[]): number {
  let [low, high] = [0, segments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((segments[middle]?.end ?? 0) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

function tooMuch(what: string): GatewayError {
  return new GatewayError('INSPECTION_FAILED', `the answer holds ${what}`);
}
