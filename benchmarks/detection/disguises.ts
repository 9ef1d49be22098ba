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
  /** Each known trigger under each obfuscation. */
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

/** Every known trigger under every obfuscation, in every carrier. Found: what was found lies where the trigger was put. */
export function measureDisguises(subject: Subject): DisguisesReport {
  const composed = [...compositions()].map(([name, disguise]) => rowOf(subject, name, disguise));
  const found = composed.reduce((sum, row) => sum + row.found.count, 0);
  const of = composed.reduce((sum, row) => sum + row.found.of, 0);
  const clean = CARRIERS.filter(([before, after]) => subject(before + after).some(instructs)).length;
  return {
    single: singleDisguises(subject),
    composed: share(found, of),
    composed_withheld: composed.reduce((sum, row) => sum + row.withheld, 0),
    composed_missed: composed.filter(({ missed }) => missed.length > 0),
    carriers: share(clean, CARRIERS.length),
  };
}

/** Every known trigger under each obfuscation by itself. */
export function singleDisguises(subject: Subject): DisguiseRow[] {
  return Object.entries(OBFUSCATIONS).map(([name, disguise]) => rowOf(subject, name, disguise));
}

function rowOf(subject: Subject, name: string, disguise: Obfuscation): DisguiseRow {
  const triggers = Object.values(TRIGGERS).flat();
  const missed = new Set<string>();
  let [count, withheld] = [0, 0];
  for (const trigger of triggers) {
    for (const [before, after] of CARRIERS) {
      const found = foundIn(subject, before, disguise(trigger), after);
      if (found.length === 0) missed.add(trigger);
      else count += 1;
      if (found.some(({ rule }) => rule === WITHHELD)) withheld += 1;
    }
  }
  return { disguise: name, found: share(count, triggers.length * CARRIERS.length), withheld, missed: [...missed] };
}

function foundIn(subject: Subject, before: string, put: string, after: string): TextFinding[] {
  const place = { start: before.length, end: before.length + put.length };
  return subject(before + put + after).filter((finding) => instructs(finding) && overlaps(finding, place));
}
