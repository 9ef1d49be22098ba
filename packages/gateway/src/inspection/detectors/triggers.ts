import { LONGEST_RUN, type Trigger, type ValueRule } from './rule.ts';

/** Says which rules are to be tried where. */
export type Visit = (rule: number, at: number) => void;

/**
 * One pass over a text that finds where rules are to be tried: their literals, by a table of three folded characters, and the
 * beginnings of runs of digits. What makes a text without any of them cost next to nothing.
 */
export function triggerFinder(rules: readonly ValueRule[]): (text: string, visit: Visit) => void {
  const table = new Uint16Array(1 << (3 * CODE_BITS));
  const singles = new Map<number, Anchor[]>();
  const buckets = anchorBuckets(rules, table, singles);
  const byRun = digitRules(rules);
  return (text, visit) => {
    let window = 0;
    let run = 0;
    for (let at = 0; at <= text.length; at++) {
      const unit = at < text.length ? text.charCodeAt(at) : 0;
      const code = unit < 128 ? (CODES[unit] as number) : 0;
      if (code > LAST_LETTER && code <= LAST_DIGIT) run++;
      else if (run > 0) {
        visitRun(text, at - run, run, byRun, visit);
        run = 0;
      }
      window = ((window << CODE_BITS) | code) & WINDOW;
      const bucket = table[window] as number;
      if (bucket !== 0) visitAnchors(text, at - 2, buckets[bucket] as Anchor[], visit);
      if (code >= FIRST_SINGLE) visitAnchors(text, at, singles.get(unit) as Anchor[], visit);
    }
  };
}

interface Anchor {
  literal: string;
  rule: number;
}

const CODE_BITS = 6;
const WINDOW = (1 << (3 * CODE_BITS)) - 1;
const LAST_LETTER = 26;
const LAST_DIGIT = LAST_LETTER + 10;
const SINGLES = '@+';
const FOLDED = `abcdefghijklmnopqrstuvwxyz0123456789-_:/.~="'#,; <%&()[]${SINGLES}`;
const FIRST_SINGLE = FOLDED.length - SINGLES.length + 1;

/** A small number for each ASCII character that a literal may begin with, the same for both cases; 0: any other. */
const CODES = Uint8Array.from(
  { length: 128 },
  (_, unit) => FOLDED.indexOf(String.fromCharCode(unit).toLowerCase()) + 1,
);

function anchorBuckets(rules: readonly ValueRule[], table: Uint16Array, singles: Map<number, Anchor[]>): Anchor[][] {
  const buckets: Anchor[][] = [[]];
  for (const single of SINGLES) singles.set(single.charCodeAt(0), []);
  for (const [index, { trigger }] of rules.entries()) {
    for (const literal of 'anchors' in trigger ? trigger.anchors : []) {
      const single = singles.get(literal.charCodeAt(0));
      if (single !== undefined) single.push({ literal, rule: index });
      else bucketOf(literal, table, buckets).push({ literal, rule: index });
    }
  }
  return buckets;
}

function bucketOf(literal: string, table: Uint16Array, buckets: Anchor[][]): Anchor[] {
  const key = [0, 1, 2].reduce((window, at) => (window << CODE_BITS) | (CODES[literal.charCodeAt(at)] as number), 0);
  if (table[key] === 0) table[key] = buckets.push([]) - 1;
  return buckets[table[key] as number] as Anchor[];
}

/** Rules by the length of a run of digits: those that begin with it, and those that begin with letters before it. */
interface RunRules {
  plain: number[][];
  lettered: number[][];
}

function digitRules(rules: readonly ValueRule[]): RunRules {
  const none = (): number[][] => Array.from({ length: LONGEST_RUN + 1 }, () => []);
  const byRun = { plain: none(), lettered: none() };
  for (const [index, { trigger }] of rules.entries()) {
    if (!('digits' in trigger)) continue;
    for (const length of trigger.digits) byRun[trigger.letters ? 'lettered' : 'plain'][length]?.push(index);
  }
  return byRun;
}

function visitRun(text: string, at: number, run: number, { plain, lettered }: RunRules, visit: Visit): void {
  const length = Math.min(run, LONGEST_RUN);
  for (const rule of plain[length] as number[]) visit(rule, at);
  if (at > 0 && isLetter(text.charCodeAt(at - 1))) for (const rule of lettered[length] as number[]) visit(rule, at);
}

function isLetter(unit: number): boolean {
  return (unit | 32) >= 97 && (unit | 32) <= 122;
}

function visitAnchors(text: string, at: number, anchors: readonly Anchor[], visit: Visit): void {
  for (const { literal, rule } of anchors) if (standsAt(text, at, literal)) visit(rule, at);
}

function standsAt(text: string, at: number, literal: string): boolean {
  for (let index = 0; index < literal.length; index++) {
    const unit = text.charCodeAt(at + index);
    const folded = unit >= 65 && unit <= 90 ? unit + 32 : unit;
    if (folded !== literal.charCodeAt(index)) return false;
  }
  return true;
}

/** Where the pattern of a rule begins whose trigger stands at `at`; negative: before the text. */
export function patternStart(text: string, at: number, trigger: Trigger): number {
  if ('digits' in trigger) return at - (trigger.letters ?? trigger.back ?? 0);
  if (trigger.lead === undefined) return at - (trigger.back ?? 0);
  const { chars, most } = trigger.lead;
  let start = at;
  while (start > 0 && at - start < most && chars.test(text.charAt(start - 1))) start--;
  return start;
}
