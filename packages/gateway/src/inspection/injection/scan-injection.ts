import { LOOKALIKES } from '../normal/lookalikes.ts';
import type { TextFinding, Transform } from '../types.ts';
import { Clues, type Place } from './clues.ts';
import { type Spelling, spellingsOf } from './folding.ts';
import { type Compiled, compiled } from './grammar.ts';
import type { MarkupRule, PhraseRule } from './rule.ts';
import { MARKUP_RULES, PHRASE_RULES, SCRIPT_RULES } from './rules.ts';
import { Scripts } from './scripts.ts';
import { TURNS, type Turn } from './stems.ts';
import { lettersOf, type Window, windowOf } from './window.ts';

/** A rule, and how it is looked for: in words, and where it has words only in their letters too. */
interface Ready {
  rule: PhraseRule | MarkupRule;
  words: readonly RegExp[];
  letters: readonly RegExp[];
  signs: readonly string[];
  unlessAfter: RegExp | null;
}

const READY: readonly Ready[] = [...PHRASE_RULES.map(phraseRule), ...MARKUP_RULES.map(markupRule)];
const CLUES = new Clues(READY.map(({ rule }) => rule));
const SCRIPTS = new Scripts(SCRIPT_RULES);
/** Where the letters stand alone, what says that it is no order. */
const NO_ORDER = /(?:not|dont|never|howto)$/;
/** What is read before a match to see whether it is an order. */
const BEFORE = 60;
/** How much of the sentence goes with the trigger. */
const SENTENCE = 200;
const OTHER = /[^\0-\x7f]/;
/** Where a string of JSON ends and begins, also of JSON in a string of JSON: what is left of a text that is JSON is JSON. */
const STRING_ENDS = /(?<!\\)\\{0,7}"(?=\s{0,99}(?:$|[}\]]|[,:]\s{0,99}(?:\\{0,7}"|[[{\d-]|true|false|null)))/;
const STRING_BEGINS = /(?:^|[[{,:])\s{0,99}\\{0,7}"/g;
/** What is read of the text to see whether a quotation mark ends a string. */
const QUOTE = 256;

/**
 * Finds instructions to a model in a text that is normalised: in words whatever their spelling (look-alike letters, digits for letters,
 * rotated, reversed, split by punctuation), and in markup.
 */
export function scanInjection(text: string): TextFinding[] {
  const found = new Map<string, TextFinding>();
  for (const finding of [...inSpellings(text), ...inScripts(text)]) {
    const key = `${finding.rule} ${finding.start} ${finding.end}`;
    if (!found.has(key)) found.set(key, finding);
  }
  return [...found.values()];
}

function phraseRule(rule: PhraseRule): Ready {
  const patterns: readonly Compiled[] = rule.patterns.map(compiled);
  return {
    rule,
    words: patterns.map(({ words }) => words),
    letters: patterns.map(({ letters }) => letters),
    signs: [],
    unlessAfter: rule.unlessAfter ?? null,
  };
}

function markupRule(rule: MarkupRule): Ready {
  const { pattern, signs = [] } = rule;
  const turned = signs.map((sign) => [...sign].reverse().join(''));
  // A space of the pattern is any white space.
  const words = [new RegExp(pattern.source.replaceAll(' ', '\\s'), pattern.flags)];
  return { rule, words, letters: [], signs: [...new Set([...signs, ...turned])], unlessAfter: null };
}

function inScripts(text: string): TextFinding[] {
  return SCRIPTS.find(text).map(({ rule, span }) =>
    findingOf(text, rule.id, span, span.reversed ? ['reversed'] : [], span.reversed),
  );
}

/** Those in a spelling of their own come last: what stands in plain view is found as that. */
function inSpellings(text: string): TextFinding[] {
  return spellingsOf(text).flatMap((spelling) =>
    CLUES.places(text, spelling.letters)
      .filter(({ turn }) => !spelling.rotatedOnly || (TURNS[turn] as Turn).rotated)
      .flatMap((place) => inPlace(text, spelling, place)),
  );
}

function inPlace(text: string, spelling: Spelling, place: Place): TextFinding[] {
  const { rule, words, letters, signs, unlessAfter } = READY[place.rule] as Ready;
  if (signs.length > 0 && !signs.some((sign) => text.includes(sign))) return [];
  const how = TURNS[place.turn] as Turn;
  const window = windowOf(text, place, spelling.folding, how);
  const found = words.flatMap((pattern) => spansIn(window, pattern, unlessAfter));
  if (place.isSplit && letters.length > 0) {
    const alone = lettersOf(window);
    found.push(...letters.flatMap((pattern) => spansIn(alone, pattern, unlessAfter && NO_ORDER)));
  }
  return found.map((span) => findingOf(text, rule.id, span, undoneIn(text, span, spelling, how), how.reversed));
}

function spansIn(window: Window, pattern: RegExp, unlessAfter: RegExp | null): { start: number; end: number }[] {
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
  const sentence = stop === -1 ? rest : rest.slice(0, stop);
  const quote = text.slice(end, end + SENTENCE + QUOTE).search(STRING_ENDS);
  // A backslash stays with what it escapes.
  return Math.min(sentence.replace(/(?<!\\)\\{1,200}$/, '').length, quote === -1 ? SENTENCE : quote);
}

function restBefore(text: string, start: number): number {
  const rest = text.slice(Math.max(0, start - SENTENCE), start);
  const stop = rest.search(/(?:\s[.!?]|\n)[^.!?\n]*$/);
  const sentence = stop === -1 ? rest.length : rest.length - stop - 1;
  const opening = [...rest.matchAll(STRING_BEGINS)].at(-1);
  return opening === undefined ? sentence : Math.min(sentence, rest.length - opening.index - opening[0].length);
}
