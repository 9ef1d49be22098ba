import { LOOKALIKES } from '../normal/lookalikes.ts';
import type { TextFinding, Transform } from '../types.ts';
import { type Spelling, spellingsOf } from './folding.ts';
import { type Compiled, compiled } from './grammar.ts';
import type { PhraseRule } from './rule.ts';
import { MARKUP_RULES, PHRASE_RULES } from './rules.ts';
import { type StemHit, Stems, TURNS, type Turn } from './stems.ts';
import { lettersOf, type Window, windowOf } from './window.ts';

interface Ready {
  rule: PhraseRule;
  stems: ReadonlySet<number>;
  patterns: readonly Compiled[];
}

const STEM_WORDS = [...new Set(PHRASE_RULES.flatMap(({ stems }) => stems))];
const STEMS = new Stems(STEM_WORDS);
const READY: readonly Ready[] = PHRASE_RULES.map((rule) => ({
  rule,
  stems: new Set(rule.stems.map((stem) => STEM_WORDS.indexOf(stem))),
  patterns: rule.patterns.map(compiled),
}));
/** How far from a stem the rest of a phrase is looked for. */
const REACH = 1800;
/** What is read before a match to see whether it is an order. */
const BEFORE = 60;
/** How much of the sentence goes with the trigger. */
const SENTENCE = 200;
const OTHER = /\P{ASCII}/u;

/**
 * Finds instructions to a model in a text that is normalised: in words whatever their spelling (look-alike letters, digits for letters,
 * rotated, reversed, split by punctuation), and in markup.
 */
export function scanInjection(text: string): TextFinding[] {
  const found = new Map<string, TextFinding>();
  for (const finding of [...inPhrases(text), ...inMarkup(text)]) {
    const key = `${finding.rule} ${finding.start} ${finding.end}`;
    if (!found.has(key)) found.set(key, finding);
  }
  return [...found.values()];
}

function inMarkup(text: string): TextFinding[] {
  return MARKUP_RULES.filter(({ signs }) => signs.some((sign) => text.includes(sign))).flatMap(({ id, pattern }) =>
    matches(text, pattern).map((span) => findingOf(text, id, span, [], false)),
  );
}

/** Those in a spelling of their own come last: what stands in plain view is found as that. */
function inPhrases(text: string): TextFinding[] {
  return spellingsOf(text).flatMap((spelling) =>
    groupsOf(STEMS.hits(text, spelling.letters)).flatMap((group) => inGroup(text, spelling, group)),
  );
}

/** Stems that stand near one another, in one turn. */
interface Group {
  turn: number;
  from: number;
  to: number;
  stems: Set<number>;
  isSplit: boolean;
}

function groupsOf(hits: readonly StemHit[]): Group[] {
  const open = new Map<number, Group>();
  const groups: Group[] = [];
  for (const { stem, turn, start, end, isSplit } of hits) {
    const last = open.get(turn);
    if (last !== undefined && start - last.to <= REACH) {
      last.to = Math.max(last.to, end);
      last.stems.add(stem);
      last.isSplit ||= isSplit;
      continue;
    }
    const group = { turn, from: start, to: end, stems: new Set([stem]), isSplit };
    open.set(turn, group);
    groups.push(group);
  }
  return groups;
}

function inGroup(text: string, spelling: Spelling, { turn, from, to, stems, isSplit }: Group): TextFinding[] {
  const how = TURNS[turn] as Turn;
  const window = windowOf(text, Math.max(0, from - REACH), Math.min(text.length, to + REACH), spelling.folding, how);
  const letters = isSplit ? lettersOf(window) : null;
  return READY.filter((ready) => [...stems].some((stem) => ready.stems.has(stem))).flatMap(({ rule, patterns }) =>
    patterns
      .flatMap((pattern) => [
        ...spansIn(window, pattern.words, rule),
        ...(letters === null ? [] : spansIn(letters, pattern.letters, rule)),
      ])
      .map((span) => findingOf(text, rule.id, span, undoneIn(text, span, spelling, how), how.reversed)),
  );
}

function spansIn(window: Window, pattern: RegExp, { unlessAfter }: PhraseRule): { start: number; end: number }[] {
  return matches(window.text, pattern)
    .filter(({ start }) => unlessAfter?.test(window.text.slice(Math.max(0, start - BEFORE), start)) !== true)
    .map(({ start, end }) => window.span(start, end));
}

/** Also those that begin inside of another: what is found must not depend on where reading began. */
function matches(text: string, pattern: RegExp): { start: number; end: number }[] {
  const spans: { start: number; end: number }[] = [];
  const own = new RegExp(pattern);
  for (let match = own.exec(text); match !== null; match = own.exec(text)) {
    spans.push({ start: match.index, end: match.index + match[0].length });
    own.lastIndex = match.index + 1;
  }
  return spans;
}

function undoneIn(
  text: string,
  { start, end }: { start: number; end: number },
  { leet }: Spelling,
  turn: Turn,
): Transform[] {
  const found = text.slice(start, end);
  const disguised = OTHER.test(found) && [...found].some((character) => LOOKALIKES.has(character));
  return [
    ...(disguised ? (['confusable'] as const) : []),
    ...(leet && /[0-9@$!]/.test(found) ? (['leet'] as const) : []),
    ...(turn.rotated ? (['rot13'] as const) : []),
    ...(turn.reversed ? (['reversed'] as const) : []),
  ];
}

/** The trigger with the rest of its sentence, which says what it is an order to do. */
function findingOf(
  text: string,
  rule: string,
  { start, end }: { start: number; end: number },
  via: readonly Transform[],
  isReversed: boolean,
): TextFinding {
  const whole = isReversed
    ? { start: start - restBefore(text, start), end }
    : { start, end: end + restAfter(text, end) };
  return { kind: 'injection', rule, ...whole, via, label: null, instead: null };
}

function restAfter(text: string, end: number): number {
  const rest = text.slice(end, end + SENTENCE);
  const stop = rest.search(/[.!?](?:\s|$)|\n/);
  return stop === -1 ? rest.length : stop;
}

function restBefore(text: string, start: number): number {
  const rest = text.slice(Math.max(0, start - SENTENCE), start);
  const stop = rest.search(/(?:\s[.!?]|\n)[^.!?\n]*$/);
  return stop === -1 ? rest.length : rest.length - stop - 1;
}
