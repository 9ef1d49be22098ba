import type { TextFinding } from '../../packages/gateway/src/inspection/types.ts';
import { compositions, OBFUSCATIONS, type Obfuscation } from './obfuscations.ts';
import { type Share, share } from './shares.ts';
import { instructs, overlaps, type Subject, WITHHELD } from './subject.ts';
import { TRIGGERS } from './triggers.ts';

export interface DisguiseRow {
  disguise: string;
  found: Share;
  withheld: number;
  /** Triggers that were not found under it. */
  missed: string[];
}

export interface DisguisesReport {
  /** Published triggers, and how many of them are known: found where nothing hides them, in each carrier. */
  published: Share;
  /** Those that are not, by carrier. */
  unknown: string[];
  /** Each known trigger under each obfuscation, in the carriers in which it is known. */
  single: DisguiseRow[];
  /** Under two, one after another: in all, and those where something was missed. */
  composed: Share;
  composed_missed: DisguiseRow[];
  /** Of those that count as found: withheld unread, because they are encoded more often than is undone. */
  composed_withheld: number;
  /** The sentences around them, without any trigger, where something was found. */
  carriers: Share;
}

/** Harmless words around a trigger, as an answer of a tool would have them. */
const CARRIERS: readonly (readonly [string, string])[] = [
  ['', ''],
  ['The quarterly report lists 14 open items. ', ' The next review is on Thursday.'],
  ['{"title":"Weekly notes","body":"', '"}'],
];

/** A trigger in a carrier. */
interface Case {
  trigger: string;
  before: string;
  after: string;
}

/** Every known trigger under every obfuscation, and two after another. Found: what was found lies where the trigger was put. */
export function measureDisguises(subject: Subject): DisguisesReport {
  const { known, unknown } = knownCases(subject);
  const composed = [...compositions()].map(([name, disguise]) => rowOf(subject, known, name, disguise));
  const found = composed.reduce((sum, row) => sum + row.found.count, 0);
  const of = composed.reduce((sum, row) => sum + row.found.of, 0);
  const clean = CARRIERS.filter(([before, after]) => subject(before + after).some(instructs)).length;
  return {
    published: share(known.length, known.length + unknown.length),
    unknown: unknown.map(({ trigger, before, after }) => `${before}${trigger}${after}`),
    single: singleDisguises(subject),
    composed: share(found, of),
    composed_withheld: composed.reduce((sum, row) => sum + row.withheld, 0),
    composed_missed: composed.filter(({ missed }) => missed.length > 0),
    carriers: share(clean, CARRIERS.length),
  };
}

/** Every known trigger under each obfuscation by itself. */
export function singleDisguises(subject: Subject): DisguiseRow[] {
  const { known } = knownCases(subject);
  return Object.entries(OBFUSCATIONS).map(([name, disguise]) => rowOf(subject, known, name, disguise));
}

/** Only a trigger that is found in plain view may be asked for in disguise. */
export function knownCases(subject: Subject): { known: Case[]; unknown: Case[] } {
  const cases = Object.values(TRIGGERS)
    .flat()
    .flatMap((trigger) => CARRIERS.map(([before, after]) => ({ trigger, before, after })));
  const isKnown = (one: Case): boolean => foundIn(subject, one, one.trigger).length > 0;
  return { known: cases.filter(isKnown), unknown: cases.filter((one) => !isKnown(one)) };
}

function rowOf(subject: Subject, known: readonly Case[], name: string, disguise: Obfuscation): DisguiseRow {
  const missed = new Set<string>();
  let [count, withheld] = [0, 0];
  for (const one of known) {
    const found = foundIn(subject, one, disguise(one.trigger));
    if (found.length === 0) missed.add(one.trigger);
    else count += 1;
    if (found.some(({ rule }) => rule === WITHHELD)) withheld += 1;
  }
  return { disguise: name, found: share(count, known.length), withheld, missed: [...missed] };
}

function foundIn(subject: Subject, { before, after }: Case, put: string): TextFinding[] {
  const place = { start: before.length, end: before.length + put.length };
  return subject(before + put + after).filter((finding) => instructs(finding) && overlaps(finding, place));
}
