import type { Check, Outcome, Report } from '@cmcp/evidence';
import type { Anatomy, EntryRow, RawPart } from './anatomy.ts';
import { type Place, within } from './given-file.ts';
import type { Range } from './range.ts';
import { outcomeOf, resting, worst } from './standing.ts';

/** One link of the chain that is drawn, with all that a person finds when opening it. */
export interface PictureNode {
  id: string;
  title: string;
  /** Words from the file under the title: a tool, a platform. May be anything. */
  given: string | null;
  outcome: Outcome;
  explanation: string;
  checks: Check[];
  raw: RawPart[];
  /** A text in the file whose change the demonstration can show. */
  fragile: Place | null;
}

/** The whole chain: from the vendor's root to the claim, and the entries that the claim speaks for. */
export interface Picture {
  trunk: PictureNode[];
  entries: readonly EntryRow[];
  /** The outcome of the entry at `index`. */
  outcomeAt(index: number): Outcome;
  /** The worst outcome of a range of entries. */
  outcomeIn(range: Range): Outcome;
  node(index: number): PictureNode;
}

type Link = 'root' | 'hardware' | 'key' | 'claim' | 'start' | 'tip' | 'entries';

/** Which link a check is about, by the start of its id; the first that fits. What none names is about the claim. */
const LINKS: readonly [string, Link][] = [
  ['hardware.root', 'root'],
  ['hardware.key', 'key'],
  ['hardware.chain', 'start'],
  ['hardware.', 'hardware'],
  ['gateway.', 'hardware'],
  ['key.', 'key'],
  ['claim.key_names', 'key'],
  ['session.', 'start'],
  ['policy.', 'start'],
  ['catalog.', 'start'],
  ['bundle.', 'tip'],
  ['transcript.hash', 'tip'],
  ['chain.checkpoints', 'tip'],
  ['chain.extent', 'tip'],
  ['chain.bounds', 'tip'],
  ['chain.', 'entries'],
  ['receipt.', 'entries'],
];

function linkOf(check: Check): Link {
  return LINKS.find(([start]) => check.id.startsWith(start))?.[1] ?? 'claim';
}

const TRUNK: readonly { id: 'root' | 'hardware' | 'key' | 'claim'; title: string; explanation: string }[] = [
  {
    id: 'root',
    title: 'Vendor root',
    explanation:
      'The certificate of a hardware maker, pinned by fingerprint, at the end of the chain that the evidence brings. Without it nobody but the operator says what the machine is.',
  },
  {
    id: 'hardware',
    title: 'Hardware',
    explanation:
      'A statement that the machine’s own security processor signed: which state was measured, and which key and chain it was asked about.',
  },
  {
    id: 'key',
    title: 'Key',
    explanation:
      'The key that signed the claim. It counts when genuine hardware names it, or when you say that you trust it.',
  },
  {
    id: 'claim',
    title: 'Claim',
    explanation:
      'What the gateway says about the session as a whole: its rules, its counters, and the first and last entry of its chain.',
  },
];

/** Draws a report. `anatomy` is null for a file that could not be read: then there is a trunk and nothing after it. */
export function pictureOf(report: Report, anatomy: Anatomy | null): Picture {
  const trunk: PictureNode[] = [];
  let ground: Outcome = 'proven';
  for (const { id, title, explanation } of TRUNK) {
    const checks = report.checks.filter((check) => linkOf(check) === id);
    ground = resting(outcomeOf(checks, report), ground);
    const given = id === 'hardware' ? (anatomy?.platform ?? null) : null;
    trunk.push({ id, title, given, outcome: ground, explanation, checks, ...rawOf(id, anatomy) });
  }
  return { trunk, ...chainOf(report, anatomy, worst(trunk.map(({ outcome }) => outcome))) };
}

function rawOf(id: string, anatomy: Anatomy | null): Pick<PictureNode, 'raw' | 'fragile'> {
  if (anatomy === null) return { raw: [], fragile: null };
  const { claim, key, evidence, files } = anatomy;
  if (id === 'hardware') return { raw: evidence, fragile: null };
  if (id === 'key') return { raw: [key], fragile: within(key.place, 'x') };
  if (id === 'claim') return { raw: [claim, ...files], fragile: within(claim.place, 'trace', 'policy', 'bundle_hash') };
  return { raw: [], fragile: null };
}

function chainOf(report: Report, anatomy: Anatomy | null, ground: Outcome): Omit<Picture, 'trunk'> {
  const entries = anatomy?.entries ?? [];
  const last = entries.length - 1;
  const of = (link: Link): Check[] => report.checks.filter((check) => linkOf(check) === link);
  const [atStart, atTip] = [of('start'), of('tip')];
  const own = (index: number): Check[] => [...(index === 0 ? atStart : []), ...(index === last ? atTip : [])];
  const intact = intactness([...of('entries'), ...atTip]);
  const outcomeAt = (index: number): Outcome => {
    const about = own(index);
    const outcomes = about.length === 0 ? [intact(index)] : [intact(index), outcomeOf(about, report)];
    return resting(worst(outcomes), ground);
  };
  return {
    entries,
    outcomeAt,
    outcomeIn: ({ start, end }) => {
      const outcomes = new Set<Outcome>();
      for (let index = start; index < end; index++) outcomes.add(outcomeAt(index));
      return worst([...outcomes]);
    },
    node: (index) => entryNode(index, entries, anatomy, outcomeAt(index), [...own(index), ...of('entries')]),
  };
}

/**
 * How far each entry is shown to be intact by the checks on the chain: the entry that one of them names is where it broke, and
 * nothing is known of what comes after it.
 */
function intactness(checks: readonly Check[]): (index: number) => Outcome {
  const failures = checks.filter((check) => check.outcome === 'failed');
  const named = failures.flatMap((check) => entryNamedIn(check.detail) ?? []);
  const first = Math.min(...named);
  const whole = checks.every((check) => !check.required || check.outcome === 'proven');
  return (index) => {
    if (named.includes(index)) return 'failed';
    if (index > first) return 'not checked';
    return whole ? 'proven' : 'asserted';
  };
}

/** The verifier says in words where a chain broke. Only the colour of squares hangs on reading it: the verdict does not. */
function entryNamedIn(detail: string): number | null {
  const found = /\bentry (\d+)\b/.exec(detail)?.[1];
  return found === undefined ? null : Number(found);
}

function entryNode(
  index: number,
  entries: readonly EntryRow[],
  anatomy: Anatomy | null,
  outcome: Outcome,
  checks: Check[],
): PictureNode {
  const row = entries[index];
  const place = anatomy === null ? null : within(anatomy.entriesAt, index);
  const raw = place === null ? [] : [{ name: `Entry ${index}`, place }];
  const isTip = index === entries.length - 1;
  return {
    id: `entry-${index}`,
    title: `Entry ${index}: ${entryTitle(index, entries)}`,
    given: [row?.tool, row?.decision].filter((text) => typeof text === 'string' && text !== 'n/a').join(' · ') || null,
    outcome,
    explanation: explanationOf(index, isTip),
    checks,
    raw: isTip && anatomy?.checkpoints != null ? [...raw, anatomy.checkpoints] : raw,
    fragile: place === null ? null : within(place, row?.tool == null ? 'entry_id' : 'tool_name'),
  };
}

/** What kind of entry it is, in words. */
export function entryTitle(index: number, entries: readonly EntryRow[]): string {
  const type = entries[index]?.type.replaceAll('_', ' ') ?? '';
  return index === entries.length - 1 && index > 0 ? `Tip: ${type}` : type;
}

function explanationOf(index: number, isTip: boolean): string {
  if (index === 0)
    return 'The first entry commits to the rules: policy, catalog, mode. Through its hash the hardware evidence covers them.';
  if (isTip)
    return 'The last entry. Its hash covers every entry before it; the claim, the bundle and a checkpoint are signed over it.';
  return 'One event, as the gateway recorded it when it happened. It carries the hash of the entry before it, so that none can be changed, moved or left out alone.';
}
